"""Masks as RT Structure Sets: outlines in the planes of the source, whose inside is the mask, for readers that are not ours."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging.dicom.archive import series_in
from segloop.imaging.dicom.review import Review
from segloop.imaging.dicom.rtstruct import make_rtstruct
from segloop.imaging.dicom.series import Series, require_volume
from segloop.imaging.labels import Label
from tests.dicom_results import LABELS, ORIGIN, by_plastimatch, errors_of, mask, needs, reread, voxels_of
from tests.dicom_series import DIRECTIONS, slices, voxels, write


def test_pydicom_alone_reads_back_every_voxel_in_patient_space(series: Series) -> None:
    found = voxels_of(reread(make_rtstruct(series, mask(), LABELS, ORIGIN)), series.headers, series.geometry)
    assert set(found) == {"parotid_left", "parotid_right", "something of ours"}
    for label in LABELS[:3]:
        np.testing.assert_array_equal(found[label.name], mask() == label.index)


def test_slices_that_lie_a_little_beside_the_others_keep_their_own_planes(tmp_path: Path) -> None:
    moved = slices(voxels())
    moved[2].ImagePositionPatient = [float(v) for v in np.array([-90.44, 41.19, -294.98])]
    (headers,) = series_in(write(tmp_path / "ct", moved))
    found = make_rtstruct(require_volume(headers), mask(), LABELS, ORIGIN)
    contour = found.ROIContourSequence[0].ContourSequence[2]
    points = np.array(contour.ContourData, float).reshape(-1, 3)
    assert set(points[:, 2]) == {-294.98}
    # The outline of columns 0 to 4 and rows 2 to 3, half a voxel around their centres.
    assert points[:, 0].min() == pytest.approx(-90.44 - 0.35, abs=0.006)
    assert points[:, 1].max() == pytest.approx(41.19 + 0.8 * 3.5, abs=0.006)


def test_it_says_whose_and_which_it_is_and_that_nobody_approved_it(series: Series) -> None:
    found = reread(make_rtstruct(series, mask(), LABELS, ORIGIN))
    source = series.headers[0]
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "AccessionNumber", "FrameOfReferenceUID"):
        assert found[keyword].value == source[keyword].value
    assert (found.Modality, found.SeriesNumber, found.ApprovalStatus) == ("RTSTRUCT", 3002, "UNAPPROVED")
    assert found.SeriesDescription == "AI contours starter v7, unreviewed (research use only)"
    assert (found.StructureSetDate, found.StructureSetTime[:6]) == ("20261103", "090807")
    frame = found.ReferencedFrameOfReferenceSequence[0]
    images = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert images.SeriesInstanceUID == source.SeriesInstanceUID
    named = [item.ReferencedSOPInstanceUID for item in images.ContourImageSequence]
    assert named == [header.SOPInstanceUID for header in series.headers]
    codes = [item.RTROIIdentificationCodeSequence[0] for item in found.RTROIObservationsSequence]
    assert [code.CodeValue for code in codes] == ["45289007", "45289007", "12345"]
    sides = [code.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning for code in codes[:2]]
    assert sides == ["Left", "Right"]
    assert [list(item.ROIDisplayColor) for item in found.ROIContourSequence] == [
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
    ]
    (roi, *_) = found.StructureSetROISequence
    assert roi.ROIGenerationAlgorithm == "AUTOMATIC"
    how = roi.ROIDerivationAlgorithmIdentificationSequence[0]
    assert "cd" * 32 in how.AlgorithmParameters


def test_made_again_it_is_the_same_to_the_byte(series: Series, tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_rtstruct(series, mask(), LABELS, ORIGIN).save_as(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    other = make_rtstruct(series, mask(), LABELS, replace(ORIGIN, review=Review("Ann")))
    assert other.SOPInstanceUID != pydicom.dcmread(tmp_path / "a").SOPInstanceUID
    assert other.SeriesDescription == "AI contours starter v7, reviewed (research use only)"


def test_an_imported_mask_names_an_algorithm_that_nobody_knows(series: Series) -> None:
    imported = replace(ORIGIN, model="", weights_sha256="", made_by="Ann", is_imported=True)
    found = make_rtstruct(series, mask(), LABELS, imported)
    roi = found.StructureSetROISequence[0]
    assert (roi.ROIGenerationAlgorithm, roi.ROIGenerationDescription) == (
        "SEMIAUTOMATIC",
        "Unknown (imported)",
    )
    assert found.SeriesDescription == "Contours, imported (research use only)"


def test_a_mask_without_a_label_is_refused(series: Series) -> None:
    with pytest.raises(InvalidInput) as refused:
        make_rtstruct(series, np.zeros((14, 12, 8), np.uint8), LABELS, ORIGIN)
    assert refused.value.code == "mask_empty"


def test_dciodvfy_finds_no_error_beyond_the_sources_own(series: Series, tmp_path: Path) -> None:
    needs("dciodvfy")
    make_rtstruct(series, mask(), LABELS, ORIGIN).save_as(tmp_path / "rt.dcm")
    assert errors_of(tmp_path / "rt.dcm") <= errors_of(Path(str(series.headers[0].filename)))


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_plastimatch_fills_the_outlines_to_the_mask(tmp_path: Path, direction: tuple[float, ...]) -> None:
    needs("plastimatch")
    drawn = rounded()
    headers = slices(voxels(drawn.shape), direction=direction, pixel_spacing=(0.8, 0.8))
    (headers,) = series_in(write(tmp_path / "ct", headers))
    series = require_volume(headers)
    labels = [Label(1, "ring"), Label(2, "core"), Label(3, "dust")]
    make_rtstruct(series, drawn, labels, ORIGIN).save_as(tmp_path / "rt.dcm")
    for label in labels:
        theirs = by_plastimatch(tmp_path, label.name, series)
        ours = drawn == label.index
        dice = 2 * (theirs & ours).sum() / (theirs.sum() + ours.sum())
        assert dice > 0.99, (label.name, dice)


def rounded() -> NDArray[np.uint8]:
    """A ring around a core with a gap between, and single voxels in a corner."""
    x, y, z = np.indices((48, 40, 10))
    radius = np.hypot(x - 21, y - 18)
    found = np.zeros(x.shape, np.uint8)
    found[(radius > 9) & (radius < 15) & (z > 1)] = 1
    found[(radius < 7) & (z < 7)] = 2
    found[38:46:2, 30:38:3, 3:6] = 3
    return found
