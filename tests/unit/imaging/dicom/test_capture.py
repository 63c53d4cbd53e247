"""Key images as Secondary Capture: a picture that anything can show, with its warning burnt in and no name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from segloop.errors import InvalidInput
from segloop.imaging.dicom.archive import series_in
from segloop.imaging.dicom.capture import make_capture
from segloop.imaging.dicom.review import Review
from segloop.imaging.dicom.series import Series, require_volume
from segloop.imaging.labels import Label
from tests.dicom_results import LABELS, ORIGIN, errors_of, mask, needs
from tests.dicom_series import slices, voxels, write


def test_it_is_one_rgb_picture_of_the_study_and_the_same_to_the_byte(series: Series, tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_capture(series, voxels(), mask(), LABELS, ORIGIN).save_as(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    found, source = pydicom.dcmread(tmp_path / "a"), series.headers[0]
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "AccessionNumber"):
        assert found[keyword].value == source[keyword].value
    assert found.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert (found.BurnedInAnnotation, found.ConversionType, found.SeriesNumber) == ("NO", "SYN", 3005)
    assert found.SeriesDescription == "AI key images starter v7, unreviewed (research use only)"
    assert "Not for diagnosis" in found.ImageComments and "not reviewed" in found.ImageComments
    picture = found.pixel_array
    assert picture.shape == (found.Rows, found.Columns, 3) and picture.dtype == np.uint8
    for color in ([255, 0, 0], [0, 255, 0], [0, 0, 255]):
        assert (picture == color).all(-1).sum() > 20


def test_texts_in_the_pixels_of_any_slice_are_in_those_of_the_picture(tmp_path: Path) -> None:
    source = slices(voxels())
    source[5].BurnedInAnnotation, source[0].BurnedInAnnotation = "YES", "NO"
    (headers,) = series_in(write(tmp_path / "ct", source))
    found = make_capture(require_volume(headers), voxels(), mask(), LABELS, ORIGIN)
    assert found.BurnedInAnnotation == "YES"


def test_what_is_burnt_in_follows_from_the_mask_alone(tmp_path: Path) -> None:
    """Another patient's name changes no pixel; another origin changes those of the line that tells it, and no picture."""
    pixels = []
    for patient in ("Doe^Jane", "Somebody^Else"):
        (headers,) = series_in(write(tmp_path / patient, slices(voxels(), patient=patient)))
        series = require_volume(headers)
        pixels.append(make_capture(series, voxels(), mask(), LABELS, ORIGIN).pixel_array)
    np.testing.assert_array_equal(*pixels)
    other = make_capture(series, voxels(), mask(), LABELS, replace(ORIGIN, review=Review("Ann"))).pixel_array
    rows = np.flatnonzero((other != pixels[0]).any(axis=(1, 2)))
    assert len(rows) and rows.min() >= other.shape[0] - 84


def test_a_mask_without_a_label_gives_a_picture_and_says_so(series: Series) -> None:
    made = [
        make_capture(series, voxels(), drawn, LABELS, ORIGIN).pixel_array
        for drawn in (np.zeros((14, 12, 8), np.uint8), mask())
    ]
    assert (made[0][-84:] != made[1][-84:]).any()  # "No label was found." instead of names


def test_more_labels_than_there_is_room_for_are_counted(series: Series) -> None:
    labels = [Label(n, f"a label with a longer name {n}", "#ff0000") for n in range(1, 60)]
    drawn = (np.arange(14 * 12 * 8).reshape(14, 12, 8) % 60).astype(np.uint8)
    found = make_capture(series, voxels(), drawn, labels, ORIGIN)
    red = np.nonzero((found.pixel_array[-84:] == [255, 0, 0]).all(-1))
    assert red[1].max() < found.Columns - 20


def test_another_shape_is_refused(series: Series) -> None:
    with pytest.raises(InvalidInput) as refused:
        make_capture(series, voxels(), mask()[1:], LABELS, ORIGIN)
    assert refused.value.code == "mask_grid"


@pytest.mark.parametrize("part", ["", "EXTREMITY"])
def test_dciodvfy_finds_no_error_beyond_the_sources_own(series: Series, tmp_path: Path, part: str) -> None:
    needs("dciodvfy")
    for header in series.headers:
        header.BodyPartExamined = part
    make_capture(series, voxels(), mask(), LABELS, ORIGIN).save_as(tmp_path / "sc.dcm")
    assert errors_of(tmp_path / "sc.dcm") <= errors_of(Path(str(series.headers[0].filename)))
