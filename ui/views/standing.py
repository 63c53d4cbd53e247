"""What a mask is worth: who vouched for it, and for which part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from segloop.schemas import Feedback, Mask, ReviewedRegion


@dataclass(frozen=True)
class Standing:
    """A mask's standing: in words ("" for nothing to say), as a warning ("" for none), and the part that was looked at (None: as a whole)."""

    words: str
    badge: str
    is_reviewed: bool
    region: dict[str, Any] | None = None


def standing(mask: Mask, feedback: Sequence[Feedback]) -> Standing:
    """Return a mask's standing, given its volume's feedback, newest first: the newest verdict on it counts."""
    verdict = next((given for given in feedback if given.mask_id == mask.id), None)
    if verdict is not None and verdict.verdict == "rejected":
        return Standing(f"rejected by {verdict.created_by}", "REJECTED", is_reviewed=False)
    if verdict is not None and verdict.verdict == "accepted":
        return _vouched([f"accepted by {verdict.created_by}"], verdict.reviewed, "ACCEPTED")
    if mask.kind == "correction":
        return _vouched([], mask.reviewed, "CORRECTED")
    if mask.kind == "ground_truth" and mask.reviewed is not None:
        return _vouched([], mask.reviewed, "GROUND TRUTH")
    if mask.kind == "ground_truth":
        return Standing("", "", is_reviewed=True)
    # What came from outside may be anything, also an AI mask that was downloaded here.
    badge = "AI - NOT REVIEWED" if mask.kind == "prediction" else "IMPORTED - NOT REVIEWED"
    return Standing("NOT REVIEWED", badge, is_reviewed=False)


def _vouched(words: list[str], region: ReviewedRegion | None, done: str) -> Standing:
    """Return the standing of a mask that a person vouched for, in part or as a whole."""
    if region is None or not (region.whole or region.axial or region.coronal or region.sagittal):
        said = ", ".join([*words, "nothing marked as reviewed"])
        return Standing(said, f"{done} - NOTHING MARKED AS REVIEWED", is_reviewed=True)
    if region.whole and region.labels is None:
        return Standing(", ".join(words), "", is_reviewed=True)
    said = ", ".join([*words, "reviewed in part"])
    return Standing(said, "REVIEWED IN PART", is_reviewed=True, region=region.model_dump())
