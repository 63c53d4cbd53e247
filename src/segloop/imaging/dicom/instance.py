"""A new object in the CT's study: whose it is, UIDs and times that making it again does not change, and how it names its algorithm."""

import hashlib
import json
import re
from datetime import UTC, timedelta, timezone
from typing import Any

import highdicom as hd
import pydicom
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from segloop.imaging.dicom.archive import Header
from segloop.imaging.dicom.result import MANUFACTURER, MODEL_NAME, Form, Origin
from segloop.imaging.dicom.series import Series

UTF_8 = "ISO_IR 192"
_ALSO_TAKEN = (
    *("SeriesNumber", "SeriesDescription", "FrameOfReferenceUID", "PositionReferenceIndicator"),
    *("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions", "StationName"),
    *("InstitutionName", "InstitutionalDepartmentName", "InstitutionAddress", "TimezoneOffsetFromUTC"),
)
"""What results take over beside the attributes of patient and study: of the series, and its equipment as contributing."""
_SUPERSEDED = Code("SUPERSEDED", "99SEGLOOP", "Superseded by this series")
_OF_THE_SLICE = ("InstanceCreationDate", "InstanceCreationTime", "ContentDate", "ContentTime")


def identity(series: Series, origin: Origin, form: Form) -> dict[str, Any]:
    """Return the arguments that every constructor of highdicom takes for who made an object and what it is called."""
    return {
        "series_instance_uid": uid(series, origin, form, "series"),
        "series_number": origin.series_number(form, series.headers[0].get("SeriesNumber")),
        "sop_instance_uid": uid(series, origin, form, "instance"),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MODEL_NAME,
        "software_versions": origin.software,
        "device_serial_number": "0",
    }


def uid(series: Series, origin: Origin, form: Form, what: str) -> str:
    """Return the UID of something of a result: the same for the same mask, source and form.

    The source is also what its headers say of patient and study: objects that name a patient differently are two.
    """
    source = series.headers[0]
    return origin.uid(form, source.StudyInstanceUID, source.SeriesInstanceUID, what, _taken_over(series))


def _taken_over(series: Series) -> str:
    """Return a digest of what results take over of their source's headers."""
    source = series.headers[0]
    blank = hd.base.SOPClass(
        study_instance_uid=source.StudyInstanceUID,
        series_instance_uid=source.SeriesInstanceUID,
        series_number=1,
        sop_instance_uid=source.SOPInstanceUID,
        sop_class_uid=source.SOPClassUID,
        instance_number=1,
        modality="CT",
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    blank.copy_patient_and_study_information(source)
    taken = {element.keyword for element in blank}.difference(_OF_THE_SLICE).union(_ALSO_TAKEN)
    found = pydicom.Dataset()
    for keyword in taken.intersection(source.dir()):
        found.add(source[keyword])
    slices = [str(header.SOPInstanceUID) for header in series.headers]
    said = json.dumps([found.to_json_dict(suppress_invalid_tags=True), slices], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def new_instance(
    series: Series, origin: Origin, form: Form, *, sop_class: str, modality: str
) -> hd.base.SOPClass:
    """Return an object with nothing but patient, study, series and equipment, for forms that highdicom has no class of."""
    source = series.headers[0]
    found = hd.base.SOPClass(
        study_instance_uid=source.StudyInstanceUID,
        sop_class_uid=sop_class,
        modality=modality,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set=UTF_8,
        **identity(series, origin, form),
    )
    found.copy_patient_and_study_information(source)
    return found


def finish(found: pydicom.Dataset, series: Series, origin: Origin, form: Form) -> None:
    """Name the series and what it supersedes, and let times be the mask's, so that making it again gives the same bytes."""
    source = series.headers[0]
    found.SeriesDescription = origin.title(form)
    day, time = made_at(source, origin)
    kinds = ["InstanceCreation", "Series", *(["Content"] if "ContentDate" in found else [])]
    for kind in kinds:
        setattr(found, f"{kind}Date", day)
        setattr(found, f"{kind}Time", time)
    if _zone(source) is not None:
        found.TimezoneOffsetFromUTC = source.TimezoneOffsetFromUTC
    for item in found.get("ContributingEquipmentSequence", []):
        item.ContributionDateTime = day + time
    _supersede(found, series, origin, form)


def _supersede(found: pydicom.Dataset, series: Series, origin: Origin, form: Form) -> None:
    """Name the object of the same mask that said less, or other, of its review, in the way that each kind of object has for it."""
    before = origin.before
    if before is None:
        return
    its_series, instance = (uid(series, before, form, what) for what in ("series", "instance"))
    older = item(ReferencedSOPClassUID=found.SOPClassUID, ReferencedSOPInstanceUID=instance)
    if form is Form.RTSTRUCT:
        found.PredecessorStructureSetSequence = [older]
        return
    if form is Form.SR:
        listed = item(SeriesInstanceUID=its_series, ReferencedSOPSequence=[older])
        found.PredecessorDocumentsSequence = [
            item(StudyInstanceUID=found.StudyInstanceUID, ReferencedSeriesSequence=[listed])
        ]
        return
    why = hd.sr.CodedConcept.from_code(_SUPERSEDED)
    found.RelatedSeriesSequence = [
        item(
            StudyInstanceUID=found.StudyInstanceUID,
            SeriesInstanceUID=its_series,
            PurposeOfReferenceCodeSequence=[why],
        )
    ]


def made_at(source: Header, origin: Origin) -> tuple[str, str]:
    """Return when a mask was made, or reviewed where that is what an object adds, as DICOM's date and time.

    In the zone that the source states, for it holds for every time of the object; in UTC where it states none.
    """
    moment = origin.said_at.astimezone(_zone(source) or UTC)
    return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S.%f")


def reference(header: Header) -> pydicom.Dataset:
    """Return an item that names an instance."""
    return item(ReferencedSOPClassUID=header.SOPClassUID, ReferencedSOPInstanceUID=header.SOPInstanceUID)


def item(**values: Any) -> pydicom.Dataset:
    """Return an item of a sequence by its attributes' keywords."""
    found = pydicom.Dataset()
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


def person(name: str) -> str:
    """Return a name as DICOM's PN, whose first component it all is."""
    return name.translate(str.maketrans("^=\\", "   "))[:63] + "^"


def algorithm(origin: Origin) -> hd.AlgorithmIdentificationSequence | None:
    """Return which version made a mask, or the one that corrections began with; None where it was none."""
    if not origin.model:
        return None
    return hd.AlgorithmIdentificationSequence(
        name=MODEL_NAME,
        version=origin.software,
        family=codes.DCM.ArtificialIntelligence,
        source=MANUFACTURER,
        parameters={"model": origin.model, "weights_sha256": origin.weights_sha256},
    )


def _zone(source: Header) -> timezone | None:
    stated = re.fullmatch(r"([+-])(\d\d)(\d\d)", str(source.get("TimezoneOffsetFromUTC") or "").strip())
    if stated is None:
        return None
    sign, hours, minutes = stated.groups()
    return timezone((-1 if sign == "-" else 1) * timedelta(hours=int(hours), minutes=int(minutes)))
