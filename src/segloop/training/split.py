"""Who trains, who validates and who is frozen for tests: by patient, decided by a keyed hash of the patient alone."""

import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segloop.errors import Conflict, InvalidInput
from segloop.training.progress import write_json

Part = Literal["training", "validation", "test", "held back"]


@dataclass(frozen=True)
class SplitPolicy:
    """A project's rule: a secret key, and the shares of patients that validate and that are frozen for tests.

    Raises:
        InvalidInput: `split_policy` when nobody would be left to train on.
    """

    key: bytes
    validation_share: float = 0.2
    test_share: float = 0.15

    def __post_init__(self) -> None:
        shares = (self.validation_share, self.test_share)
        if not self.key or min(shares) < 0 or sum(shares) >= 1:
            raise InvalidInput(
                "split_policy",
                "The shares of validation and test patients must be at least 0 and leave some for training.",
            )


@dataclass(frozen=True)
class CaseFacts:
    """What the split must know of a case.

    `dense`: a person vouched for every voxel and label, and it is no version's unchanged output. `patient_known`:
    someone said whose CT it is; without that a file counts as a patient of its own. `trained_before`: an earlier
    version, or the imported one, learned from it.
    """

    case_id: str
    patient_id: str
    dense: bool
    patient_known: bool = True
    trained_before: bool = False


@dataclass(frozen=True)
class Placed:
    """Where a case went and why, in words for the run's log."""

    case_id: str
    patient_id: str
    part: Part
    why: str


@dataclass(frozen=True)
class Split:
    """All cases of a run, each placed once, in order of case."""

    placed: tuple[Placed, ...]

    def cases(self, part: Part) -> list[str]:
        """Return the cases of one part, ascending."""
        return [case.case_id for case in self.placed if case.part == part]

    @property
    def validates_on_training(self) -> bool:
        """No patient fell to validation: the curves of this run come from the training cases themselves."""
        return not self.cases("validation")


def part_of(patient_id: str, policy: SplitPolicy) -> Part:
    """Return where a patient belongs by hash: the same answer for ever, whoever else joins.

    HMAC-SHA256 of the patient under the project's key, read as a fraction of 1; the test share comes first, then
    validation. So a larger validation share moves patients from training to validation only.
    """
    digest = hmac.new(policy.key, patient_id.encode(), hashlib.sha256).digest()
    fraction = int.from_bytes(digest[:8], "big") / 2**64
    if fraction < policy.test_share:
        return "test"
    return "validation" if fraction < policy.test_share + policy.validation_share else "training"


def split(cases: Sequence[CaseFacts], policy: SplitPolicy, *, frozen_patients: Collection[str] = ()) -> Split:
    """Place every case; no patient is on both sides of the fence around the tests.

    Frozen for tests are the patients that an admin chose (`frozen_patients`) and those that the hash chose, if it is
    known who they are and no version has learned from them. Their cases without dense labels are held back: not learned
    from either, and fit only for a comparison inside what was reviewed.

    Raises:
        Conflict: an admin chose a patient that a version has learned from (`test_patient_trained`), or a file of which
            nobody said whose it is (`test_patient_unknown`).
        InvalidInput: `too_few_cases` when no case is left to train on; `case_twice` when one is listed twice.
    """
    if len({case.case_id for case in cases}) != len(cases):
        raise InvalidInput("case_twice", "A case is listed twice; send each once.")
    trained = {case.patient_id for case in cases if case.trained_before}
    unknown = {case.patient_id for case in cases if not case.patient_known}
    spoiled = sorted(trained & set(frozen_patients))
    if spoiled:
        raise Conflict(
            "test_patient_trained",
            f"{len(spoiled)} of the chosen test patients were already trained on, so a test on them proves nothing; "
            "choose others.",
            patients=spoiled,
        )
    nameless = sorted(unknown & set(frozen_patients))
    if nameless:
        raise Conflict(
            "test_patient_unknown",
            f"Of {len(nameless)} of the chosen test cases nobody said whose CT it is, so the same patient could train; "
            "choose CTs that were uploaded with a patient reference.",
            patients=nameless,
        )
    placed = tuple(
        _place(case, policy, chosen=case.patient_id in frozen_patients, barred=(trained, unknown))
        for case in sorted(cases, key=lambda case: case.case_id)
    )
    if not any(case.part == "training" for case in placed):
        raise InvalidInput(
            "too_few_cases",
            "No case is left to train on: all belong to patients kept for validation or tests. Add cases of other patients.",
        )
    return Split(placed)


def _place(
    case: CaseFacts, policy: SplitPolicy, *, chosen: bool, barred: tuple[Collection[str], Collection[str]]
) -> Placed:
    trained, unknown = barred
    by_hash = part_of(case.patient_id, policy)
    part, why = by_hash, "the patient's hash"
    if chosen:
        part, why = "test", "the patient is kept for tests"
    elif by_hash == "test" and case.patient_id in trained:
        part, why = "training", "an earlier version learned from this patient, so it can't be a test"
    elif by_hash == "test" and case.patient_id in unknown:
        part, why = "training", "nobody said whose CT it is, so it can't be a test"
    if part == "test" and not case.dense:
        part, why = (
            "held back",
            f"{why}; its labels aren't dense or are a version's own, so it can't be a frozen test case",
        )
    return Placed(case.case_id, case.patient_id, part, why)


def write_splits(file: Path, training: Sequence[str], validation: Sequence[str]) -> None:
    """Write nnU-Net's splits_final.json with one fold, replacing what was there: nnU-Net reuses an old one silently.

    Without validation cases the training cases stand in, because nnU-Net must validate on something. Test cases are never
    named: they live outside what nnU-Net sees. The file appears whole or not at all.
    """
    write_json(file, [{"train": list(training), "val": list(validation) or list(training)}])
