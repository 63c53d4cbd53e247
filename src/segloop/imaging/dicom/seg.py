"""A mask as DICOM Segmentation (PS3.3 A.51): one binary segment for each label that is there, on the source slices' own planes."""

import re
from collections.abc import Sequence
from datetime import UTC, timedelta, timezone
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from segloop.errors import InvalidInput
from segloop.imaging.dicom.archive import Header
from segloop.imaging.dicom.codes import Property, describe
from segloop.imaging.dicom.result import MANUFACTURER, MODEL_NAME, NOTICE, Origin
from segloop.imaging.dicom.series import Series
from segloop.imaging.labels import Label

SERIES_NUMBER = 1000


def make_seg(
    series: Series,
    mask: NDArray[np.integer[Any]],
    labels: Sequence[Label],
    origin: Origin,
    *,
    deflated: bool = False,
) -> pydicom.Dataset:
    """Return a mask (x, y, z) on a series' grid as a Segmentation of the same study, in a series of its own.

    Nothing is resampled: voxel (x, y, z) is column x, row y of slice z. The same input gives the same object, byte for byte.

    Raises:
        InvalidInput: `mask_grid` for another shape; `mask_empty` where no label is there, which a Segmentation can't say.
    """
    if mask.shape != series.geometry.shape:
        raise InvalidInput(
            "mask_grid", f"The mask has shape {mask.shape}, its series {series.geometry.shape}."
        )
    there = [label for label in labels if (mask == label.index).any()]
    if not there:
        raise InvalidInput(
            "mask_empty",
            "No label is in this mask, and a DICOM Segmentation can't be empty; nothing was found.",
        )
    numbers = np.zeros(int(mask.max()) + 1, np.uint8 if len(there) < 256 else np.uint16)
    numbers[[label.index for label in there]] = np.arange(1, len(there) + 1)
    study = series.headers[0].StudyInstanceUID
    source = series.headers[0].SeriesInstanceUID
    found = hd.seg.Segmentation(
        # An array in the order of the source images, not a volume: so each frame names the slice it lies on, exactly.
        source_images=series.headers,
        pixel_array=numbers[mask.transpose(2, 1, 0)],
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(i, label, origin, source) for i, label in enumerate(there, 1)],
        series_instance_uid=origin.uid("SEG", study, source, "series"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=origin.uid("SEG", study, source, "instance"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=origin.software,
        device_serial_number="0",
        content_label="SEGMENTATION",
        content_description=NOTICE,
        content_creator_name=_person(origin.made_by or MODEL_NAME),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set="ISO_IR 192",
    )
    found.SeriesDescription = origin.title
    _fix(found, origin, series.headers[0], origin.uid("SEG", study, source, "dimensions"))
    if deflated:
        found.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return found


def _person(name: str) -> str:
    """Return a name as DICOM's PN, whose first component it all is."""
    return name.translate(str.maketrans("^=\\", "   "))[:63] + "^"


def _segment(number: int, label: Label, origin: Origin, source: str) -> SegmentDescription:
    what = describe(label)
    color = tuple(int(label.color[at : at + 2], 16) for at in (1, 3, 5))
    algorithm = None
    if origin.model:
        parameters = {"model": origin.model, "weights_sha256": origin.weights_sha256}
        algorithm = hd.AlgorithmIdentificationSequence(
            name=MODEL_NAME,
            version=origin.software,
            family=codes.DCM.ArtificialIntelligence,
            source=MANUFACTURER,
            parameters=parameters,
        )
    kind = SegmentAlgorithmTypeValues.MANUAL
    if algorithm is not None:
        kind = (
            SegmentAlgorithmTypeValues.AUTOMATIC
            if origin.is_by_model
            else SegmentAlgorithmTypeValues.SEMIAUTOMATIC
        )
    found = SegmentDescription(
        segment_number=number,
        segment_label=label.name[:64],
        segmented_property_category=what.category,
        segmented_property_type=what.type,
        algorithm_type=kind,
        algorithm_identification=algorithm,
        tracking_uid=origin.uid("SEG", source, label.name),
        tracking_id=label.name[:64],
        display_color=hd.color.CIELabColor.from_rgb(*color),
        anatomic_regions=[what.region] if what.region else None,
    )
    _add_modifiers(found, what)
    return found


def _add_modifiers(segment: SegmentDescription, what: Property) -> None:
    # highdicom has no argument for them, and without them a left and a right kidney would be the same.
    if what.modifier:
        item = segment.SegmentedPropertyTypeCodeSequence[0]
        item.SegmentedPropertyTypeModifierCodeSequence = [hd.sr.CodedConcept.from_code(what.modifier)]
    if what.region_modifier:
        item = segment.AnatomicRegionSequence[0]
        item.AnatomicRegionModifierSequence = [hd.sr.CodedConcept.from_code(what.region_modifier)]


def _zone(source: Header) -> timezone | None:
    stated = re.fullmatch(r"([+-])(\d\d)(\d\d)", str(source.get("TimezoneOffsetFromUTC") or "").strip())
    if stated is None:
        return None
    sign, hours, minutes = stated.groups()
    return timezone((-1 if sign == "-" else 1) * timedelta(hours=int(hours), minutes=int(minutes)))


def _fix(found: pydicom.Dataset, origin: Origin, source: Header, dimensions_uid: str) -> None:
    """Let times be those of the mask, and no UID be drawn, so that making the object again gives the same."""
    # In the zone that the source states, for it holds for every time of the object; in UTC where it states none.
    zone = _zone(source)
    made_at = origin.made_at.astimezone(zone or UTC)
    day, time = made_at.strftime("%Y%m%d"), made_at.strftime("%H%M%S.%f")
    for keyword in ("InstanceCreationDate", "ContentDate", "SeriesDate"):
        setattr(found, keyword, day)
    for keyword in ("InstanceCreationTime", "ContentTime", "SeriesTime"):
        setattr(found, keyword, time)
    if zone is not None:
        found.TimezoneOffsetFromUTC = source.TimezoneOffsetFromUTC
    for item in (*found.DimensionOrganizationSequence, *found.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions_uid
    for item in found.get("ContributingEquipmentSequence", []):
        item.ContributionDateTime = day + time
