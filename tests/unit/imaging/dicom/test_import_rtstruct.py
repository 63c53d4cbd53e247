"""RT Structure Sets come in as the voxels whose centres their contours enclose, or are refused with what to do."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom import Dataset

from segloop.imaging.dicom.archive import pack_headers, series_in
from segloop.imaging.dicom.import_mask import import_mask
from segloop.imaging.dicom.series import Series, require_volume
from segloop.imaging.labels import Label, LabelSet
from tests.conftest import ROOT
from tests.contours import box, contour, rtstruct
from tests.dicom_series import DIRECTIONS
from tests.imported import SHAPE, ct, mask, read, refused

REAL = ROOT.parent / "shared/data/dicom"


def of_mask(series: Series) -> dict[str, list[Dataset]]:
    """Return contours that enclose exactly the voxels of `mask()`."""
    return {
        "Parotid Left": [contour(series, z, box(0, 2, 5, 4)) for z in range(3)],
        "PAROTID_RIGHT": [contour(series, z, box(8, 6, 13, 11)) for z in (7, 5, 6)],
        "something_of_ours": [contour(series, 4, box(6, 6, 7, 7))],
        "empty": [],
    }


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_contours_enclose_the_voxels_they_were_drawn_around(
    tmp_path: Path, direction: tuple[float, ...]
) -> None:
    series = ct(tmp_path, direction)
    found = read(tmp_path, rtstruct(series, of_mask(series)))
    np.testing.assert_array_equal(found.mask, mask())
    assert (found.labels, found.notes) == ([1, 2, 4], ["1 structure empty in the file"])


def test_holes_keyholes_and_islands(tmp_path: Path) -> None:
    series = ct(tmp_path)
    outer, inner = box(1, 1, 10, 10), box(3, 3, 6, 7)
    keyhole = [*outer, outer[0], *inner, inner[0]]
    contours = [
        *(contour(series, 2, points) for points in (outer, inner, box(11, 1, 12, 2))),
        contour(series, 3, keyhole),
    ]
    expected: NDArray[np.uint8] = np.zeros(SHAPE, np.uint8)
    expected[1:10, 1:10, 2:4], expected[3:6, 3:7, 2:4], expected[11, 1, 2] = 9, 0, 9
    np.testing.assert_array_equal(read(tmp_path, rtstruct(series, {"Liver": contours})).mask, expected)


def test_what_is_cut_at_the_edge_or_skips_slices_is_noted(tmp_path: Path) -> None:
    series = ct(tmp_path)
    contours = [contour(series, z, box(-5, -5, 4, 4)) for z in (1, 2, 4)]
    found = read(tmp_path, rtstruct(series, {"liver": contours}))
    expected = np.zeros(SHAPE, np.uint8)
    expected[0:4, 0:4, [1, 2, 4]] = 9
    np.testing.assert_array_equal(found.mask, expected)
    assert found.notes == [
        "1 structure without contours on slices in between",
        "1 structure cut off at the picture's edge",
    ]


def _with(**values: Any) -> Callable[[Series, Dataset], None]:
    def change(_: Series, found: Dataset) -> None:
        for keyword, value in values.items():
            setattr(found.ROIContourSequence[0].ContourSequence[0], keyword, value)

    return change


def _first(contours: Callable[[Series], Dataset]) -> Callable[[Series, Dataset], None]:
    def change(series: Series, found: Dataset) -> None:
        found.ROIContourSequence[0].ContourSequence[0] = contours(series)

    return change


def _raw(text: bytes) -> Callable[[Series, Dataset], None]:
    def change(_: Series, found: Dataset) -> None:
        first = found.ROIContourSequence[0].ContourSequence[0]
        first.NumberOfContourPoints = text.count(b"\\") // 3 + 1
        tag = pydicom.tag.Tag("ContourData")
        first[tag] = pydicom.dataelem.RawDataElement(tag, "DS", len(text), text, 0, False, True)

    return change


def _across(series: Series) -> Dataset:
    found = contour(series, 2, box(1, 1, 4, 4))
    found.ContourData[2] = float(found.ContourData[2]) + 2.5
    return found


def _other_frame(_: Series, found: Dataset) -> None:
    found.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "1.2.3"


def _other_study(_: Series, found: Dataset) -> None:
    found.StudyInstanceUID = "1.2.3"
    study = found.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    study.ReferencedSOPInstanceUID = "1.2.3"


def _other_series(_: Series, found: Dataset) -> None:
    study = found.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    study.RTReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3"


def _one_number(_: Series, found: Dataset) -> None:
    found.StructureSetROISequence[1].ROINumber = 7


BAD: dict[str, tuple[str, Callable[[Series, Dataset], None]]] = {
    "points": ("rtstruct_contour_type", _with(ContourGeometricType="POINT")),
    "open": ("rtstruct_contour_type", _with(ContourGeometricType="OPEN_PLANAR")),
    "between slices": ("rtstruct_between_slices", _first(lambda ct: contour(ct, 4.5, box(6, 6, 7, 7)))),
    "0.2 mm off": ("rtstruct_between_slices", _first(lambda ct: contour(ct, 4.08, box(6, 6, 7, 7)))),
    "across slices": ("rtstruct_between_slices", _first(_across)),
    "above the CT": ("mask_outside", _first(lambda ct: contour(ct, 9, box(6, 6, 7, 7)))),
    "beside the CT": ("mask_outside", _first(lambda ct: contour(ct, 4, box(60, 6, 70, 7)))),
    "nan": ("rtstruct_broken", _raw(b"nan\\1\\2\\3\\4\\5\\6\\7\\8 ")),
    "infinite": ("rtstruct_broken", _raw(b"1e400\\1\\2\\3\\4\\5\\6\\7\\8 ")),
    "words": ("rtstruct_broken", _raw(b"here\\and\\there ")),
    "too few numbers": ("rtstruct_broken", _raw(b"1\\2\\3\\4\\5 ")),
    "another frame of reference": ("mask_frame_of_reference", _other_frame),
    "another study": ("mask_other_study", _other_study),
    "another series": ("mask_other_series", _other_series),
    "a number twice": ("rtstruct_broken", _one_number),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_placed_is_refused(tmp_path: Path, name: str) -> None:
    code, change = BAD[name]
    series = ct(tmp_path)
    found = rtstruct(series, {name: parts for name, parts in of_mask(series).items() if parts})
    change(series, found)
    assert refused(tmp_path, found).code == code


def test_contours_in_a_study_of_their_own_are_placed_on_the_ct_they_name(tmp_path: Path) -> None:
    series = ct(tmp_path)
    found = rtstruct(series, of_mask(series))
    found.StudyInstanceUID = "1.2.3"
    for roi in found.StructureSetROISequence:
        del roi.ReferencedFrameOfReferenceUID
    np.testing.assert_array_equal(read(tmp_path, found).mask, mask())


def test_structures_that_share_voxels_are_refused_by_name(tmp_path: Path) -> None:
    series = ct(tmp_path)
    structures = of_mask(series) | {"liver": [contour(series, 1, box(4, 3, 9, 9))]}
    error = refused(tmp_path, rtstruct(series, structures))
    assert (error.code, error.details["pairs"]) == ("mask_overlap", [["Parotid Left", "liver"]])
    assert "Parotid Left and liver (1 voxels)" in error.message


def test_a_contour_of_hundreds_of_thousands_of_points_is_read(tmp_path: Path) -> None:
    series = ct(tmp_path)
    along = np.linspace(0, 2 * np.pi, 300_000, endpoint=False)
    circle = np.stack([6 + 4.3 * np.cos(along), 5 + 4.3 * np.sin(along)], axis=1)
    found = rtstruct(series, {"liver": [contour(series, 3, [(0, 0), (1, 0), (1, 1)])]})
    first = found.ROIContourSequence[0].ContourSequence[0]
    mm = np.array(series.headers[3].ImagePositionPatient, float) + np.pad(
        circle * [0.7, 0.8], ((0, 0), (0, 1))
    )
    text = "\\".join(f"{value:.4f}" for value in mm.ravel()).encode()
    tag = pydicom.tag.Tag("ContourData")
    first[tag] = pydicom.dataelem.RawDataElement(
        tag, "DS", len(text), text + b" " * (len(text) % 2), 0, False, True
    )
    first.NumberOfContourPoints = len(circle)
    found.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    x, y = np.indices(SHAPE[:2])
    inside = np.hypot(x - 6, y - 5) <= 4.3
    np.testing.assert_array_equal(read(tmp_path, found).mask[:, :, 3] == 9, inside)


@pytest.mark.filterwarnings("ignore:The value length")
@pytest.mark.parametrize("name", ["sts_012_rtstruct", "sts_029_rtstruct"])
def test_real_contours_are_the_voxels_that_plastimatch_makes_of_them(tmp_path: Path, name: str) -> None:
    if not (REAL / f"{name}.zip").exists() or shutil.which("plastimatch") is None:
        pytest.skip(f"NOT TESTED against plastimatch: it or {name}.zip is not here")
    shutil.unpack_archive(REAL / f"{name}.zip", tmp_path)
    (contours,) = tmp_path.rglob("rtstruct.dcm")
    (headers,) = series_in(sorted((contours.parent / "series").iterdir()))
    pack_headers(require_volume(headers).headers, tmp_path / "headers.zip")
    labels = LabelSet((Label(1, "gtv mass ct"),))
    found = import_mask(contours, tmp_path / "headers.zip", tmp_path, labels=labels, label_map={})
    command = ["plastimatch", "convert", "--input", contours, "--referenced-ct", contours.parent / "series"]
    command += ["--output-prefix", tmp_path / "theirs", "--prefix-format", "nii"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    (file,) = (tmp_path / "theirs").iterdir()
    image: Any = nib.load(file)  # type: ignore[attr-defined]
    to_theirs = np.linalg.inv(image.affine) @ found.geometry.affine
    np.testing.assert_allclose(to_theirs, np.eye(4), atol=1e-2)
    np.testing.assert_array_equal(found.mask == 1, np.asarray(image.dataobj) > 0)
