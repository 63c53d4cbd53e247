"""UIDs of results: never one for two contents, and not another one for what no result takes over."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest

from segloop.imaging.dicom.archive import pack_headers, series_in, unpack_headers
from segloop.imaging.dicom.capture import make_capture
from segloop.imaging.dicom.pdf import make_pdf
from segloop.imaging.dicom.result import Form
from segloop.imaging.dicom.rtstruct import make_rtstruct
from segloop.imaging.dicom.seg import make_seg
from segloop.imaging.dicom.series import Series, require_volume
from segloop.imaging.dicom.sr import make_sr
from tests.dicom_results import LABELS, ORIGIN, mask
from tests.dicom_series import slices, voxels, write

HU = np.zeros(mask().shape, np.int16)
MAKERS: dict[str, Callable[[Series], pydicom.Dataset]] = {
    "seg": lambda series: make_seg(series, mask(), LABELS, ORIGIN),
    "labelmap": lambda series: make_seg(series, mask(), LABELS, ORIGIN, form=Form.LABELMAP),
    "rtstruct": lambda series: make_rtstruct(series, mask(), LABELS, ORIGIN),
    "pdf": lambda series: make_pdf(series, HU, mask(), LABELS, ORIGIN),
    "sr": lambda series: make_sr(series, HU, mask(), LABELS, ORIGIN),
    "capture": lambda series: make_capture(series, HU, mask(), LABELS, ORIGIN),
}
TAKEN = {
    "PatientName": "Doe^Janet",
    "PatientID": "PID-4712",
    "IssuerOfPatientID": "Clinic",
    "PatientBirthDate": "19600103",
    "PatientSex": "M",
    "PatientAge": "066Y",
    "PatientComments": "put right",
    "StudyDate": "20261102",
    "StudyDescription": "NECK",
    "AccessionNumber": "ACC-10",
    "ReferringPhysicianName": "Who^",
    "ClinicalTrialSubjectID": "T1",
}
"""Of patient and study: in every object."""
OTHERS = {
    "SeriesNumber": 77,
    "SeriesDescription": "NECK 1.0",
    "TimezoneOffsetFromUTC": "+0200",
    "FrameOfReferenceUID": "1.2.840.99",
    "PositionReferenceIndicator": "XY",
    "InstitutionName": "Hospital",
    "StationName": "CT2",
    "Manufacturer": "Other",
    "ManufacturerModelName": "M2",
    "SoftwareVersions": "VB",
    "DeviceSerialNumber": "4711",
    "BodyPartExamined": "NECK",
    "Laterality": "R",
    "ProtocolName": "Neck",
    "PatientPosition": "FFS",
    "AcquisitionDateTime": "20261101101113",
    "ContentTime": "101113",
    "InstanceCreationTime": "101113",
    "InstanceNumber": 99,
    "KVP": "80",
    "ConvolutionKernel": "B31",
    "RetrieveAETitle": "PACS",
    "ImageComments": "x",
}
"""Whatever becomes of them in the forms, one UID is one content."""


@pytest.fixture
def series(tmp_path: Path) -> Series:
    """A series as it is kept for its results."""
    (headers,) = series_in(write(tmp_path / "ct", slices(voxels())))
    pack_headers(require_volume(headers).headers, tmp_path / "headers.zip")
    return require_volume(unpack_headers(tmp_path / "headers.zip"))


def bytes_of(found: pydicom.Dataset) -> bytes:
    file = BytesIO()
    found.save_as(file)
    return file.getvalue()


def changed(series: Series, keyword: str, value: object) -> Series:
    headers = deepcopy(series.headers)
    for header in headers:
        setattr(header, keyword, value)
    return replace(series, headers=headers)


@pytest.mark.parametrize("form", MAKERS)
def test_an_object_with_other_content_has_another_uid(series: Series, form: str) -> None:
    before = MAKERS[form](series)
    kept, wrong = list[str](), list[str]()
    for keyword, value in {**TAKEN, **OTHERS}.items():
        after = MAKERS[form](changed(series, keyword, value))
        uids = [{one.SOPInstanceUID, one.SeriesInstanceUID} for one in (before, after)]
        if not uids[0].isdisjoint(uids[1]):
            (kept if bytes_of(after) == bytes_of(before) else wrong).append(keyword)
    assert not wrong and not set(kept) & set(TAKEN)


def test_what_no_result_takes_over_makes_no_other_object(series: Series) -> None:
    before = MAKERS["seg"](series)
    for keyword in ("RetrieveAETitle", "InstanceCreationTime", "ContentTime", "KVP", "ImageComments"):
        after = MAKERS["seg"](changed(series, keyword, OTHERS[keyword]))
        assert after.SOPInstanceUID == before.SOPInstanceUID, keyword
