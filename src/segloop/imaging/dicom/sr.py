"""What was measured of a mask as structured report (PS3.3 A.35.13, TID 1500): each label's volume and density, by its segment."""

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom
from highdicom import sr
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from segloop.imaging.dicom.codes import SIDES, STRUCTURE, Property, describe
from segloop.imaging.dicom.instance import UTF_8, finish, identity, item, person, uid
from segloop.imaging.dicom.measures import Measure, measure
from segloop.imaging.dicom.result import MANUFACTURER, MODEL_NAME, Form, Origin
from segloop.imaging.dicom.segments import tracking_uid
from segloop.imaging.dicom.series import Series
from segloop.imaging.labels import Label

_Group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations | sr.MeasurementsAndQualitativeEvaluations
_ML = Code("ml", "UCUM", "milliliter")
_HU = Code("[hnsf'U]", "UCUM", "Hounsfield unit")
_CT = Code("25045-6", "LN", "CT unspecified body region")
_NOT_FOUND = Code("NOT_FOUND", "99SEGLOOP", "Not found")
"""A code of ours: DICOM's "absent" would say of an organ beside the scanned region that the patient has none."""

_REVIEW = Code("REVIEW", "99SEGLOOP", "Review by a person")
_REVIEWS = {
    "unreviewed": Code("UNREVIEWED", "99SEGLOOP", "Not reviewed"),
    "part reviewed": Code("PART_REVIEWED", "99SEGLOOP", "Reviewed in part"),
    "reviewed": Code("REVIEWED", "99SEGLOOP", "Reviewed"),
}


def make_sr(
    series: Series,
    hu: NDArray[Any],
    mask: NDArray[np.integer[Any]],
    labels: Sequence[Label],
    origin: Origin,
) -> pydicom.Dataset:
    """Return the measurements of a mask (x, y, z) on a series' grid, preliminary and unverified, as Comprehensive 3D SR.

    `hu` is the CT on the same grid. Segments are those of the same mask's Segmentation (`seg.make_seg`), whether or not that
    was ever sent. Labels that are not in the mask are listed as not found. The same input gives the same object, byte for byte.
    """
    source = series.headers[0]
    measures, missing = measure(hu, mask, labels, series.geometry)
    seg = item(
        SOPClassUID=SegmentationStorage,
        StudyInstanceUID=source.StudyInstanceUID,
        SeriesInstanceUID=uid(series, origin, Form.SEG, "series"),
        SOPInstanceUID=uid(series, origin, Form.SEG, "instance"),
    )
    groups: list[_Group] = [
        *(_found(n, one, seg, origin, source.SeriesInstanceUID) for n, one in enumerate(measures, 1)),
        *(_missing(label, origin, source.SeriesInstanceUID) for label in missing),
    ]
    content = sr.MeasurementReport(
        observation_context=_observers(origin),
        procedure_reported=_CT,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    found = sr.Comprehensive3DSR(
        evidence=[*series.headers, *([seg] if measures else [])],
        content=content,
        is_complete=True,
        is_final=False,
        is_verified=False,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set=UTF_8,
        **identity(series, origin, Form.SR),
    )
    finish(found, series, origin, Form.SR)
    return found


def _observers(origin: Origin) -> sr.ObservationContext:
    """Return the program that measured and, where one drew or changed the mask, the person."""
    program = f"{MANUFACTURER} {MODEL_NAME} {origin.software}"
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, program).int}",
        name=MODEL_NAME,
        manufacturer_name=MANUFACTURER,
        model_name=f"{MODEL_NAME} {origin.software}",
    )
    who = None
    if origin.made_by:
        name = sr.PersonObserverIdentifyingAttributes(name=person(origin.made_by))
        who = sr.ObserverContext(codes.DCM.Person, name)
    return sr.ObservationContext(
        observer_person_context=who, observer_device_context=sr.ObserverContext(codes.DCM.Device, device)
    )


def _found(
    number: int, one: Measure, seg: pydicom.Dataset, origin: Origin, source: str
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    density = codes.DCM.AttenuationCoefficient
    measurements = [
        sr.Measurement(name=codes.SCT.Volume, value=round(one.volume_ml, 3), unit=_ML),
        sr.Measurement(name=density, value=round(one.mean_hu, 2), unit=_HU, derivation=codes.SCT.Mean),
        sr.Measurement(
            name=density, value=round(one.sd_hu, 2), unit=_HU, derivation=codes.SCT.StandardDeviation
        ),
    ]
    segment = sr.ReferencedSegment(
        sop_class_uid=seg.SOPClassUID,
        sop_instance_uid=seg.SOPInstanceUID,
        segment_number=number,
        source_series=sr.SourceSeriesForSegmentation(source),
    )
    group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=segment,
        measurements=measurements,
        qualitative_evaluations=[_reviewed(one.label, origin)],
        **_about(one.label, origin, source),
    )
    _tell(group, one.label, origin)
    return group


def _missing(label: Label, origin: Origin, source: str) -> sr.MeasurementsAndQualitativeEvaluations:
    said = sr.QualitativeEvaluation(name=codes.DCM.PresenceOfProperty, value=_NOT_FOUND)
    group = sr.MeasurementsAndQualitativeEvaluations(
        qualitative_evaluations=[_reviewed(label, origin), said], **_about(label, origin, source)
    )
    _tell(group, label, origin)
    return group


def _reviewed(label: Label, origin: Origin) -> sr.QualitativeEvaluation:
    return sr.QualitativeEvaluation(name=_REVIEW, value=_REVIEWS[origin.review.word_of(label.name)])


def _tell(group: _Group, label: Label, origin: Origin) -> None:
    """Say in words who reviewed a label, and where."""
    said = sr.TextContentItem(
        name=codes.DCM.Comment,
        value=origin.review.of(label.name),
        relationship_type=sr.RelationshipTypeValues.CONTAINS,
    )
    group[0].ContentSequence.append(said)


def _about(label: Label, origin: Origin, source: str) -> dict[str, Any]:
    """Return what a group says of its label, whether it was found or not."""
    what = describe(label)
    version = None
    if origin.model:
        version = sr.AlgorithmIdentification(
            name=MODEL_NAME,
            version=origin.software,
            parameters=[f"model={origin.model}", f"weights_sha256={origin.weights_sha256}"],
        )
    return {
        "tracking_identifier": sr.TrackingIdentifier(
            uid=tracking_uid(label, origin, source), identifier=label.name[:64]
        ),
        "finding_type": what.type,
        "finding_category": what.category,
        "finding_sites": _sites(what),
        "algorithm_id": version,
    }


def _sites(what: Property) -> list[sr.FindingSite]:
    place, modifier = (what.region, what.region_modifier) if what.region else (what.type, what.modifier)
    if not what.region and what.category != STRUCTURE:
        return []
    side = modifier if modifier is not None and modifier in SIDES.values() else None
    other = None if side else modifier
    return [sr.FindingSite(place, laterality=side, topographical_modifier=other)]
