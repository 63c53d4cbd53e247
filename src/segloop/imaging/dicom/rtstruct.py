"""A mask as RT Structure Set (PS3.3 A.19): the outlines of each label that is there, in the planes of the source's slices."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import RTStructureSetStorage
from scipy.ndimage import find_objects

from segloop.imaging.dicom.archive import Header
from segloop.imaging.dicom.codes import STRUCTURE, describe
from segloop.imaging.dicom.instance import algorithm, finish, item, made_at, new_instance, person, reference
from segloop.imaging.dicom.result import IMPORTED, MODEL_NAME, NOTICE, Form, Origin
from segloop.imaging.dicom.segments import coded, present, require_any
from segloop.imaging.dicom.series import Series
from segloop.imaging.dicom.tracing import Polygon, trace
from segloop.imaging.labels import Label

_CONTOUR_DATA = Tag(tag_for_keyword("ContourData") or 0)
_ST = 1024
"""Characters of DICOM's ST values."""
_STUDY = "1.2.840.10008.3.1.2.3.1"
"""The retired class that an RT Structure Set names its study by (PS3.3 C.8.8.5)."""


def make_rtstruct(
    series: Series, mask: NDArray[np.integer[Any]], labels: Sequence[Label], origin: Origin
) -> pydicom.Dataset:
    """Return a mask (x, y, z) on a series' grid as an RT Structure Set of the same study, not approved.

    Outlines are as in `tracing.trace`, in mm (LPS+) to two decimals. The same input gives the same object, byte for byte.

    Raises:
        InvalidInput: `mask_grid` for another shape; `mask_empty` where no label is there.
    """
    there = present(series, mask, labels)
    require_any(there, Form.RTSTRUCT)
    found = new_instance(series, origin, Form.RTSTRUCT, sop_class=RTStructureSetStorage, modality="RTSTRUCT")
    finish(found, series, origin, Form.RTSTRUCT)
    source = series.headers[0]
    found.OperatorsName = person(origin.made_by) if origin.made_by else ""
    found.FrameOfReferenceUID, found.PositionReferenceIndicator = source.FrameOfReferenceUID, ""
    found.StructureSetLabel, found.StructureSetDescription = "SEGLOOP", _description(origin)
    found.StructureSetDate, found.StructureSetTime = made_at(source, origin)
    found.ApprovalStatus = "UNAPPROVED"
    found.ReferencedFrameOfReferenceSequence = [_frame_of_reference(series)]
    boxes = find_objects(mask)
    found.StructureSetROISequence = [_roi(n, label, origin, source) for n, label in enumerate(there, 1)]
    found.ROIContourSequence = [
        _contours(n, label, series, mask, boxes[label.index - 1]) for n, label in enumerate(there, 1)
    ]
    found.RTROIObservationsSequence = [_observation(n, label) for n, label in enumerate(there, 1)]
    return found


def _description(origin: Origin) -> str:
    return " ".join(filter(None, [f"{NOTICE}. {origin.statement}.", origin.review.extent]))[:_ST]


def _frame_of_reference(series: Series) -> pydicom.Dataset:
    source = series.headers[0]
    images = item(
        SeriesInstanceUID=source.SeriesInstanceUID,
        ContourImageSequence=[reference(header) for header in series.headers],
    )
    study = item(
        ReferencedSOPClassUID=_STUDY,
        ReferencedSOPInstanceUID=source.StudyInstanceUID,
        RTReferencedSeriesSequence=[images],
    )
    return item(FrameOfReferenceUID=source.FrameOfReferenceUID, RTReferencedStudySequence=[study])


def _roi(number: int, label: Label, origin: Origin, source: Header) -> pydicom.Dataset:
    found = item(
        ROINumber=number,
        ReferencedFrameOfReferenceUID=source.FrameOfReferenceUID,
        ROIName=label.name[:64],
        ROIDescription=origin.review.of(label.name)[:_ST],
        ROIGenerationAlgorithm=origin.algorithm_type,
    )
    how = algorithm(origin)
    if how is not None:
        found.ROIGenerationDescription = f"{MODEL_NAME} {origin.software}, {origin.model}"[:64]
        found.ROIDerivationAlgorithmIdentificationSequence = how
    elif origin.is_imported:
        found.ROIGenerationDescription = IMPORTED
    return found


def _observation(number: int, label: Label) -> pydicom.Dataset:
    what = describe(label)
    found = item(
        ObservationNumber=number,
        ReferencedROINumber=number,
        SegmentedPropertyCategoryCodeSequence=[coded(what.category)],
        RTROIIdentificationCodeSequence=[
            coded(what.type, "SegmentedPropertyTypeModifierCodeSequence", what.modifier)
        ],
        RTROIInterpretedType="ORGAN" if what.category == STRUCTURE else "",
        ROIInterpreter="",
    )
    if what.region:
        found.AnatomicRegionSequence = [
            coded(what.region, "AnatomicRegionModifierSequence", what.region_modifier)
        ]
    return found


def _contours(
    number: int,
    label: Label,
    series: Series,
    mask: NDArray[np.integer[Any]],
    box: tuple[slice, ...],
) -> pydicom.Dataset:
    found = item(ROIDisplayColor=list(label.rgb), ReferencedROINumber=number)
    corner = np.array([box[0].start, box[1].start], np.float64)
    contours = []
    for z in range(box[2].start, box[2].stop):
        header = series.headers[z]
        for polygon in trace(mask[box[0], box[1], z] == label.index):
            contours.append(_contour(polygon + corner, header))
    found.ContourSequence = contours
    return found


def _contour(polygon: Polygon, header: Header) -> pydicom.Dataset:
    found = item(
        ContourImageSequence=[reference(header)],
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=len(polygon),
    )
    # As text at once: a CT has millions of these numbers, and pydicom would check and keep each as an object.
    text = "\\".join(f"{value:.2f}" for value in _in_patient(polygon, header).ravel().tolist())
    body = (text + " " * (len(text) % 2)).encode()
    found[_CONTOUR_DATA] = RawDataElement(_CONTOUR_DATA, "DS", len(body), body, 0, False, True)
    return found


def _in_patient(polygon: Polygon, header: Header) -> NDArray[np.float64]:
    """Return voxel indices (n, 2) of a slice as points (n, 3) in mm, LPS+, by its own header (PS3.3 C.7.6.2.1.1)."""
    cosines = np.array(header.ImageOrientationPatient, np.float64).reshape(2, 3)
    rows, columns = (float(value) for value in header.PixelSpacing)
    corner = np.array(header.ImagePositionPatient, np.float64)
    points: NDArray[np.float64] = corner + (polygon * [columns, rows]) @ cosines
    return np.round(points, 2) + 0.0  # no "-0.00"
