"""What an imported object says of itself that no ground truth would: that a program made it, or that nobody reviewed it."""

import re
from collections.abc import Iterator

from pydicom import Dataset

_NOT_REVIEWED = re.compile(
    r"\bun[- ]?reviewed\b|\bnot reviewed\b|\bpart(ly|ially)? reviewed\b|\bdraft\b|\bpreliminary\b", re.I
)
_BY_PROGRAM = re.compile(r"\bA\.?I\.?\b|\bauto[-_ ]?(seg\w*|contour\w*|matic\w*)|\bdeep learning\b", re.I)
_TEXTS = (
    *("SeriesDescription", "ContentLabel", "ContentDescription", "ImageComments"),
    *("StructureSetLabel", "StructureSetName", "StructureSetDescription"),
)
_OF_PARTS = {
    "SegmentSequence": ("SegmentDescription", "SegmentAlgorithmType"),
    "StructureSetROISequence": ("ROIDescription", "ROIGenerationAlgorithm"),
}


def doubts(found: Dataset) -> list[str]:
    """Return why an object shouldn't pass for ground truth unasked, as words that quote nothing of it; empty for none."""
    approval = str(found.get("ApprovalStatus") or "").strip().upper()
    texts = [str(found.get(keyword) or "") for keyword in _TEXTS]
    parts = list(_parts(found))
    texts += [text for text, _ in parts]
    said = {
        "its approval status is REJECTED": approval == "REJECTED",
        "its approval status is UNAPPROVED": approval == "UNAPPROVED",
        "it says that not all of it was reviewed": any(map(_NOT_REVIEWED.search, texts)),
        "it says that a program made it": any(map(_BY_PROGRAM.search, texts))
        or any(kind == "AUTOMATIC" for _, kind in parts),
    }
    return [why for why, holds in said.items() if holds]


def _parts(found: Dataset) -> Iterator[tuple[str, str]]:
    """Yield description and kind of algorithm of each segment or region of interest."""
    for sequence, (text, kind) in _OF_PARTS.items():
        for item in found.get(sequence) or []:
            yield str(item.get(text) or ""), str(item.get(kind) or "").strip().upper()
