"""What segments of a mask are: which labels are there, and their description with codes, side, colour and algorithm."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import highdicom as hd
import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.sr.coding import Code

from segloop.errors import InvalidInput
from segloop.imaging.dicom.codes import describe
from segloop.imaging.dicom.instance import algorithm
from segloop.imaging.dicom.result import Form, Origin
from segloop.imaging.dicom.review import NOBODY
from segloop.imaging.dicom.series import Series
from segloop.imaging.labels import Label


def present(series: Series, mask: NDArray[np.integer[Any]], labels: Sequence[Label]) -> list[Label]:
    """Return the labels that have a voxel in a mask (x, y, z), in their order; the n-th is segment n + 1 of every form.

    Raises:
        InvalidInput: `mask_grid` for another shape than the series'.
    """
    if mask.shape != series.geometry.shape:
        raise InvalidInput(
            "mask_grid", f"The mask has shape {mask.shape}, its series {series.geometry.shape}."
        )
    there = np.zeros(int(mask.max()) + 1, bool)
    for z in range(mask.shape[2]):
        there[mask[:, :, z]] = True
    return [label for label in labels if label.index < len(there) and there[label.index]]


def require_any(there: Sequence[Label], form: Form) -> None:
    """Check that there is something to write.

    Raises:
        InvalidInput: `mask_empty`.
    """
    if not there:
        raise InvalidInput(
            "mask_empty",
            f"No label is in this mask, and DICOM has no empty {form.noun}; nothing was found. A report (pdf, sr) can say so.",
        )


def segment(number: int, label: Label, origin: Origin, source: str) -> SegmentDescription:
    """Return the description of a segment; `source` is the UID of the series that it lies on."""
    what = describe(label)
    found = SegmentDescription(
        segment_number=number,
        segment_label=label.name[:64],
        segmented_property_category=what.category,
        segmented_property_type=what.type,
        algorithm_type=SegmentAlgorithmTypeValues(origin.algorithm_type if origin.model else "MANUAL"),
        algorithm_identification=algorithm(origin),
        tracking_uid=tracking_uid(label, origin, source),
        tracking_id=label.name[:64],
        display_color=hd.color.CIELabColor.from_rgb(*label.rgb),
        anatomic_regions=[what.region] if what.region else None,
    )
    found.SegmentDescription = origin.review.of(label.name)
    # highdicom has no argument for modifiers, and without them a left and a right kidney would be the same.
    found.SegmentedPropertyTypeCodeSequence = [
        coded(what.type, "SegmentedPropertyTypeModifierCodeSequence", what.modifier)
    ]
    if what.region:
        found.AnatomicRegionSequence = [
            coded(what.region, "AnatomicRegionModifierSequence", what.region_modifier)
        ]
    return found


def tracking_uid(label: Label, origin: Origin, source: str) -> str:
    """Return what tells the segment of a label from all others, in every form that a mask is made into, whoever reviews it."""
    return replace(origin, review=NOBODY, earlier=()).uid("segment", source, label.name)


def coded(code: Code, keyword: str = "", modifier: Code | None = None) -> hd.sr.CodedConcept:
    """Return a code as an item of a sequence, with its modifier under the given keyword if it has one."""
    item = hd.sr.CodedConcept.from_code(code)
    if modifier is not None:
        setattr(item, keyword, [hd.sr.CodedConcept.from_code(modifier)])
    return item
