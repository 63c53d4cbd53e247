"""A mask as DICOM Segmentation on the source slices' own planes: binary segments (PS3.3 A.51) or one label map (A.86)."""

from collections.abc import Sequence
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from highdicom.seg import SegmentationTypeValues
from numpy.typing import NDArray
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless

from segloop.imaging.dicom.instance import UTF_8, finish, identity, person, uid
from segloop.imaging.dicom.result import IMPORTED, MODEL_NAME, NOTICE, Form, Origin
from segloop.imaging.dicom.segments import present, require_any, segment
from segloop.imaging.dicom.series import Series
from segloop.imaging.labels import Label


def make_seg(
    series: Series,
    mask: NDArray[np.integer[Any]],
    labels: Sequence[Label],
    origin: Origin,
    *,
    form: Form = Form.SEG,
    deflated: bool = False,
) -> pydicom.Dataset:
    """Return a mask (x, y, z) on a series' grid as a Segmentation of the same study, in a series of its own.

    `form` is `SEG`, which every receiver of Segmentations knows, or `LABELMAP`, which is far smaller and of 2024.

    Nothing is resampled: voxel (x, y, z) is column x, row y of slice z. The same input gives the same object, byte for byte.

    Raises:
        InvalidInput: `mask_grid` for another shape; `mask_empty` where no label is there, which a Segmentation can't say.
    """
    is_map = form is Form.LABELMAP
    there = present(series, mask, labels)
    require_any(there, form)
    numbers = np.zeros(int(mask.max()) + 1, np.uint8 if len(there) < 256 else np.uint16)
    numbers[[label.index for label in there]] = np.arange(1, len(there) + 1)
    source = series.headers[0].SeriesInstanceUID
    found = hd.seg.Segmentation(
        # An array in the order of the source images, not a volume: so each frame names the slice it lies on, exactly.
        source_images=series.headers,
        pixel_array=numbers[mask.transpose(2, 1, 0)],
        segmentation_type=SegmentationTypeValues.LABELMAP if is_map else SegmentationTypeValues.BINARY,
        segment_descriptions=[segment(i, label, origin, source) for i, label in enumerate(there, 1)],
        content_label="SEGMENTATION",
        content_description=NOTICE,
        content_creator_name=person(origin.made_by or MODEL_NAME),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set=UTF_8,
        **identity(series, origin, form),
    )
    finish(found, series, origin, form)
    for item in (*found.DimensionOrganizationSequence, *found.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid(series, origin, form, "dimensions")
    if origin.is_imported and not origin.model:
        # highdicom asks for a whole identification, of which nothing is known but that there was an algorithm.
        for item in found.SegmentSequence:
            item.SegmentAlgorithmType, item.SegmentAlgorithmName = origin.algorithm_type, IMPORTED
    if is_map:
        # Viewers take colours by an item's place in this list, as if background were not described; it must be, so it is last.
        background, *segments = found.SegmentSequence
        found.SegmentSequence = [*segments, background]
    if is_map and not deflated:
        # By this encoder: gdcm's ends the process at some odd widths.
        found.compress(RLELossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    if deflated:
        found.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return found
