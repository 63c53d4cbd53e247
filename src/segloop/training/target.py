"""What a reviewed mask teaches: each voxel's code, where what nobody vouched for is never background."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging.geometry import Geometry, reorient, restore
from segloop.imaging.labels import LabelSet
from segloop.training.label_sets import LabelSets

PLANES = ("sagittal", "coronal", "axial")
"""The plane whose slices lie along x, y and z of the RAS order."""


@dataclass(frozen=True)
class ReviewedRegion:
    """What a person vouches for: everything, or inclusive ranges of RAS slices per plane; all labels or some indices.

    The slices of all planes together are reviewed. `labels` is None for all.
    """

    whole: bool = False
    ranges: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    labels: frozenset[int] | None = None

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> "ReviewedRegion":
        """Return the region of its JSON form `{whole, axial: [[first, last], ...], coronal, sagittal, labels}`."""
        labels = body.get("labels")
        ranges = {plane: [(int(a), int(b)) for a, b in body.get(plane) or []] for plane in PLANES}
        return cls(bool(body.get("whole", False)), ranges, None if labels is None else frozenset(labels))

    def voxels(self, geometry: Geometry) -> NDArray[np.bool_]:
        """Return which voxels of the grid (x, y, z) are reviewed; the grid may have any orientation.

        Raises:
            InvalidInput: `region_outside` when a range does not lie within the grid.
        """
        if self.whole:
            return np.ones(geometry.shape, dtype=bool)
        ras, ras_geometry = reorient(np.zeros(geometry.shape, dtype=bool), geometry, "RAS")
        for axis, plane in enumerate(PLANES):
            for first, last in self.ranges.get(plane, ()):
                if not 0 <= first <= last < ras_geometry.shape[axis]:
                    raise InvalidInput(
                        "region_outside", "The reviewed region names slices that the CT doesn't have."
                    )
                ras[(slice(None),) * axis + (slice(first, last + 1),)] = True
        return restore(ras, geometry, "RAS")


def unreviewed_classes(region: ReviewedRegion, labels: LabelSet, classes: Sequence[str]) -> frozenset[int]:
    """Return the model's classes (from 1, in the order of `classes`) that nobody looked for in this mask.

    A class that the mask's label set does not have yet counts as unreviewed. Labels map by name.
    """
    seen = {label.name for label in labels.labels if region.labels is None or label.index in region.labels}
    return frozenset(i for i, name in enumerate(classes, 1) if name not in seen)


def possible_sets(region: ReviewedRegion, labels: LabelSet, classes: Sequence[str]) -> list[frozenset[int]]:
    """Return the sets of classes that `training_target` will need codes for; give them to `LabelSets.extended`."""
    open_classes = unreviewed_classes(region, labels, classes)
    return [open_classes | {0}] if open_classes else []


def training_target(
    mask: NDArray[np.integer[Any]],
    geometry: Geometry,
    region: ReviewedRegion,
    labels: LabelSet,
    classes: Sequence[str],
    table: LabelSets,
) -> NDArray[np.int16]:
    """Return the code of each voxel of a mask, int16 on the mask's own grid (x, y, z).

    Outside the region: anything. Inside it a reviewed label is what the mask says; every other voxel, whatever the mask
    says there, is background or one of the classes that nobody reviewed. A reviewed label that the model
    does not have is background to it.

    Args:
        mask: Values of `labels`, on `geometry`.
        geometry: The mask's grid.
        region: What a person vouches for; its labels are indices of `labels`.
        labels: The mask's label set.
        classes: Names of the model's classes in the order of its output channels, without the background.
        table: Must hold `possible_sets(region, labels, classes)`.

    Raises:
        InvalidInput: `mask_labels`, `region_outside`, or `label_sets` when the table is of other classes.
    """
    if table.n_classes != len(classes) + 1:
        raise InvalidInput("label_sets", "The table of label sets is of another model; make it for this one.")
    labels.require_known_values(mask)
    open_classes = unreviewed_classes(region, labels, classes)
    otherwise = table.code(open_classes | {0})
    code_of = np.full(max([0, *labels.indices]) + 1, otherwise, dtype=np.int16)
    for label in labels.labels:
        if region.labels is None or label.index in region.labels:
            code_of[label.index] = classes.index(label.name) + 1 if label.name in classes else 0
    return np.where(region.voxels(geometry), code_of[mask], np.int16(table.ignore)).astype(np.int16)
