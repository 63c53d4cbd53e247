"""What an uploaded mask vouches for: a label that nobody looked for in it is not absent, but unknown."""

from collections.abc import Sequence
from typing import Any

from segloop.errors import InvalidInput
from segloop.imaging.labels import LabelSet
from segloop.masks.drafts.region import AXES


def annotated_region(indices: Sequence[int] | None, *, kind: str, labels: LabelSet) -> dict[str, Any] | None:
    """Return the reviewed region of an uploaded mask; None where every label was annotated.

    `indices` are the labels that somebody looked for, None for all. Ground truth is vouched for in every slice. Of another
    tool's result no slice is yet, and whoever reviews or accepts it begins with these labels.

    Raises:
        InvalidInput: `annotated_labels` when one is not of the label set.
    """
    if indices is None:
        return None
    unknown = sorted(set(indices) - set(labels.indices))
    if unknown:
        raise InvalidInput(
            "annotated_labels",
            f"The annotated labels name some that this project doesn't have: {', '.join(map(str, unknown))}. Send the "
            "numbers of its newest label set.",
            labels=unknown,
        )
    if set(indices) == set(labels.indices):
        return None
    return {"whole": kind == "ground_truth", "labels": sorted(set(indices))} | {axis: [] for axis in AXES}
