"""What a comparison of two model versions must show, and what it is given: plain values that are stored with the run."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from segloop.errors import InvalidInput

Metric = Literal["dice", "nsd"]
METRICS: tuple[Metric, ...] = ("dice", "nsd")
FORMAT = 1


@dataclass(frozen=True)
class Margin:
    """How much worse a label may be on average, in units of each metric (0 to 1)."""

    dice: float = 0.01
    nsd: float = 0.02


@dataclass(frozen=True)
class Protocol:
    """The rules of a project's gate, fixed before the comparison; `version` counts the project's changes of them.

    Args:
        labels: Names of the labels compared, all of which must pass.
        margins: Per label; `default_margin` where a label has none of its own.
        minimum_patients: Frozen test patients below which nothing is decided.
        minimum_corrected: Patients of held-back corrected cases below which nothing is decided.
        alpha: Probability of calling a label non-inferior that is worse by the margin.
        catastrophic_drop: A case whose Dice falls by more than this forbids promotion.
        calibration_margin: By how much the calibration error (0 to 1) may grow on average, per label. Versions that
            differ in their seed alone differ by 0.016 (standard deviation; docs/decisions/0004).
        runtime_ratio: How much longer a case may take, as the ratio of medians.

    Raises:
        InvalidInput: `gate_protocol` when a value makes no sense.
    """

    labels: tuple[str, ...]
    version: int = 1
    default_margin: Margin = Margin()
    margins: Mapping[str, Margin] = field(default_factory=dict)
    minimum_patients: int = 20
    minimum_corrected: int = 5
    alpha: float = 0.05
    n_bootstrap: int = 10_000
    seed: int = 0
    catastrophic_drop: float = 0.2
    calibration_margin: float = 0.05
    runtime_ratio: float = 1.2

    def __post_init__(self) -> None:
        margins = [self.default_margin, *self.margins.values()]
        sensible = (
            self.labels
            and set(self.margins) <= set(self.labels)
            and all(0 < m.dice < 1 and 0 < m.nsd < 1 for m in margins)
            and self.minimum_patients >= 2  # below 5 no bound is claimed, so nothing passes
            and self.minimum_corrected >= 2
            and 0 < self.alpha < 0.5
            and self.n_bootstrap >= 1000
            and 0 < self.catastrophic_drop <= 1
            and self.calibration_margin >= 0
            and self.runtime_ratio >= 1
        )
        if not sensible:
            raise InvalidInput(
                "gate_protocol", "The gate's protocol holds a value that makes no sense; correct it."
            )

    def margin(self, label: str, metric: Metric) -> float:
        """Return how much worse `label` may be on average."""
        margin = self.margins.get(label, self.default_margin)
        return margin.dice if metric == "dice" else margin.nsd

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, with the format they are in."""
        return {"format": FORMAT, **asdict(self), "labels": list(self.labels)}

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> "Protocol":
        """Return a stored protocol.

        Raises:
            InvalidInput: `gate_protocol` for another format or unknown fields.
        """
        values = dict(body)
        if values.pop("format", None) != FORMAT:
            raise InvalidInput("gate_protocol", "The gate's protocol is of another format; write it again.")
        try:
            values["labels"] = tuple(values["labels"])
            values["default_margin"] = Margin(**values["default_margin"])
            values["margins"] = {label: Margin(**margin) for label, margin in values["margins"].items()}
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise InvalidInput(
                "gate_protocol", f"The gate's protocol can't be read ({error}); write it again."
            ) from error


@dataclass(frozen=True)
class LabelScore:
    """One label in one case: the metrics (NaN or None where undefined) and which side was empty.

    `hd95_mm` and `volume_difference_ml` (prediction minus reference) are shown and not judged by. `calibration_error` is the
    expected calibration error within a band around the label's surface, 0 to 1; None where it was not measured.
    """

    dice: float | None
    nsd: float | None
    reference_empty: bool = False
    predicted_empty: bool = False
    hd95_mm: float | None = None
    volume_difference_ml: float | None = None
    calibration_error: float | None = None

    def value(self, metric: Metric) -> float | None:
        """Return the metric after the table of missing values, or None where there is no number.

        | reference | prediction | Dice and NSD |
        |---|---|---|
        | empty | empty | 1: rightly absent |
        | empty | not | 0: a structure that isn't there |
        | not | empty | 0: a structure that was missed |
        | not | not | as measured; None if it could not be |
        """
        if self.reference_empty or self.predicted_empty:
            return 1.0 if self.reference_empty and self.predicted_empty else 0.0
        measured = self.dice if metric == "dice" else self.nsd
        return None if measured is None or math.isnan(measured) else measured


@dataclass(frozen=True)
class CaseScores:
    """A version's scores on one case; a label whose reference nobody vouched for is left out of `labels`."""

    case_id: str
    patient_id: str
    labels: Mapping[str, LabelScore]
    runtime_s: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """A version's results: on the frozen test cases, and on held-back corrected cases."""

    frozen: tuple[CaseScores, ...]
    corrected: tuple[CaseScores, ...] = ()
