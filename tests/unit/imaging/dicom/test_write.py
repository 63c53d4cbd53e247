"""Stored masks become results whatever the CT's headers say."""

from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword

from segloop.imaging.dicom.archive import series_in
from segloop.imaging.dicom.result import Form
from segloop.imaging.dicom.series import require_volume
from tests.dicom_results import LABELS, mask, result_file
from tests.dicom_series import slices, voxels, write


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientSex", "W"),
        ("PatientBirthDate", "1960"),
        ("StudyDate", "20261341"),
        ("StudyTime", "10:11:12"),
        ("SliceThickness", None),
    ],
)
def test_a_value_that_dicom_does_not_allow_spoils_no_result_and_stays_as_it_is(
    tmp_path: Path, form: Form, keyword: str, value: str | None
) -> None:
    found = slices(voxels())
    for header in found:
        header.add(
            pydicom.DataElement(
                tag_for_keyword(keyword) or 0, dictionary_VR(keyword), value, validation_mode=0
            )
        )
    (headers,) = series_in(write(tmp_path / "ct", found))
    made = pydicom.dcmread(result_file(tmp_path, require_volume(headers), mask(), LABELS, form))
    if keyword != "SliceThickness":
        assert made[keyword].value == value
    elif form in (Form.SEG, Form.LABELMAP):
        groups = made.SharedFunctionalGroupsSequence[0]
        assert groups.PixelMeasuresSequence[0].SliceThickness == 2.5
