"""Which series go where: the first rule that a series fits decides."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydicom import Dataset
from pydicom.multival import MultiValue

from services.dicom_gateway.destinations import FORMS, Destination, forms_for
from services.dicom_gateway.values import one_of, only, words

_CONDITIONS = {
    "caller": None,
    "modality": "Modality",
    "body_part": "BodyPartExamined",
    "study_description": "StudyDescription",
    "series_description": "SeriesDescription",
    "kernel": "ConvolutionKernel",
    "station": "StationName",
}


@dataclass(frozen=True)
class Rule:
    """What is done with a series that fits: `project` None leaves it alone. Patterns are regular expressions, found anywhere.

    `outputs` are the forms of the result that are sent, of those that a destination wants; empty for all it wants.
    """

    name: str
    patterns: Mapping[str, re.Pattern[str]]
    fewest_slices: int = 1
    project: str | None = "default"
    priority: Literal["stat", "routine"] = "routine"
    destinations: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def conditions(self) -> dict[str, str]:
        """What must hold, by its name in the configuration, as it stands there."""
        found = {name: pattern.pattern for name, pattern in self.patterns.items()}
        return found | ({"fewest_slices": str(self.fewest_slices)} if self.fewest_slices > 1 else {})

    def fits(self, header: Dataset, *, caller: str, n_slices: int) -> bool:
        """Say whether a series is meant, by the header of one of its slices."""
        values = {
            name: caller if keyword is None else _text(header, keyword)
            for name, keyword in _CONDITIONS.items()
        }
        return n_slices >= self.fewest_slices and all(
            pattern.search(values[name]) for name, pattern in self.patterns.items()
        )


def read_rule(given: Any, destinations: Mapping[str, Destination]) -> Rule:
    """Return a rule of the configuration; what it sends must arrive somewhere."""
    only(given, {"name", "if", "project", "priority", "outputs", "destinations"})
    name = str(given["name"])
    conditions = dict(only(given.get("if", {}), {*_CONDITIONS, "fewest_slices"}))
    fewest = int(conditions.pop("fewest_slices", 1))
    to = words(given.get("destinations", []), destinations, "destination")
    outputs = words(given.get("outputs", []), FORMS, "form")
    for one in to:
        if not forms_for(destinations[one], outputs):
            raise ValueError(
                f"rule {name!r} sends nothing to {one!r}: none of its outputs is among its forms"
            )
    patterns = {condition: re.compile(str(pattern)) for condition, pattern in conditions.items()}
    priority: Any = one_of(given.get("priority", "routine"), ("stat", "routine"), "priority")
    return Rule(name, patterns, fewest, given.get("project", "default"), priority, to, outputs)


def _text(header: Dataset, keyword: str) -> str:
    value = header.get(keyword)
    many: Iterable[Any] = value if isinstance(value, MultiValue | list) else [value]
    return " ".join(str(one) for one in many if one is not None)
