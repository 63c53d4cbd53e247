"""A mask with its labels and origin, and results read back by code that is not ours."""

import os
import shutil
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from segloop.imaging import nifti
from segloop.imaging.dicom import archive
from segloop.imaging.dicom.convert import write_nifti
from segloop.imaging.dicom.result import Form, Origin
from segloop.imaging.dicom.series import Series
from segloop.imaging.dicom.write import write_result
from segloop.imaging.geometry import Geometry
from segloop.imaging.labels import Label

LABELS = [
    Label(1, "parotid_left", "#ff0000"),
    Label(2, "parotid_right", "#00ff00"),
    Label(4, "something of ours", "#0000ff", "12345"),
    Label(9, "liver", "#123456"),
]
ORIGIN = Origin("ab" * 32, datetime(2026, 11, 3, 9, 8, 7, tzinfo=UTC), "0.1.0", "starter v7", "cd" * 32)


def mask() -> NDArray[np.uint8]:
    """Labels that touch every border, in no symmetric way; one has a hole, and 9 is nowhere."""
    found = np.zeros((14, 12, 8), np.uint8)
    found[0:5, 2:4, 0:3], found[9:14, 7:12, 5:8], found[6, 6, 4] = 1, 2, 4
    found[11, 9, 6] = 0
    return found


def reread(found: pydicom.Dataset) -> pydicom.Dataset:
    """Return an object as a receiver reads it from its file."""
    file = BytesIO()
    found.save_as(file)
    file.seek(0)
    return pydicom.dcmread(file)


def needs(*programs: str) -> None:
    """Skip, or in CI fail, where one of other people's programs is not installed."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"these are needed in CI: {missing}")
    if missing:
        pytest.skip(
            f"NOT RUN: install {', '.join(missing)} (of dicom3tools, dcmtk, plastimatch or poppler-utils)"
        )


def errors_of(file: Path) -> set[str]:
    """Return what dciodvfy finds wrong with a file, without the values, which are another file's in each."""
    done = subprocess.run(["dciodvfy", str(file)], check=False, capture_output=True, text=True)
    lines = (done.stdout + done.stderr).splitlines()
    assert any(line.startswith(("Error", "Warning")) for line in lines) or lines, "dciodvfy said nothing"
    return {line for line in lines if line.startswith("Error")}


def voxels_of(
    rtstruct: pydicom.Dataset, headers: list[pydicom.Dataset], geometry: Geometry
) -> dict[str, Any]:
    """Return each ROI as (x, y, z): the voxels whose centre lies in an odd number of its outlines.

    Points are brought to voxels by the grid's affine, not by the header that wrote them; each must lie on the slice that its
    contour refers to.
    """
    names = {item.ROINumber: item.ROIName for item in rtstruct.StructureSetROISequence}
    place = {header.SOPInstanceUID: z for z, header in enumerate(headers)}
    to_voxel = np.linalg.inv(np.diag([-1.0, -1.0, 1.0, 1.0]) @ geometry.affine)
    found = {}
    for roi in rtstruct.ROIContourSequence:
        inside = np.zeros(geometry.shape, bool)
        for contour in roi.ContourSequence:
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            assert len(points) == contour.NumberOfContourPoints >= 3
            voxel = points @ to_voxel[:3, :3].T + to_voxel[:3, 3]
            z = place[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            assert np.abs(voxel[:, 2] - z).max() < 0.01
            inside[:, :, z] ^= within(voxel[:, :2], geometry.shape[:2])
        found[names[roi.ReferencedROINumber]] = inside
    return found


def within(polygon: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which points of a grid lie in a closed polygon, by the parity of edges that a ray along x crosses."""
    x, y = np.indices(shape).astype(float)
    found = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            found ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return found


def numbers_of(labelmap: pydicom.Dataset, headers: list[pydicom.Dataset]) -> NDArray[Any]:
    """Return a label map's segment numbers as (x, y, z), each frame on the slice that it names as its source."""
    place = {header.SOPInstanceUID: z for z, header in enumerate(headers)}
    pixels = labelmap.pixel_array.reshape(-1, labelmap.Rows, labelmap.Columns)
    found = np.zeros((labelmap.Columns, labelmap.Rows, len(headers)), pixels.dtype)
    for frame, item in zip(pixels, labelmap.PerFrameFunctionalGroupsSequence, strict=True):
        z = place[item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID]
        found[:, :, z] = frame.T
        ipp = item.PlanePositionSequence[0].ImagePositionPatient
        assert list(ipp) == pytest.approx(list(headers[z].ImagePositionPatient))
    return found


def by_plastimatch(folder: Path, name: str, series: Series) -> NDArray[np.bool_]:
    """Return an ROI as plastimatch rasterizes it, on the series' grid."""
    out = folder / "theirs"
    command = ["plastimatch", "convert", "--input", folder / "rt.dcm", "--referenced-ct", folder / "ct"]
    command += ["--output-prefix", out, "--prefix-format", "nii"]
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    image: Any = nib.load(out / f"{name}.nii")  # type: ignore[attr-defined]
    places = np.argwhere(np.asarray(image.dataobj) > 0)
    world = places @ image.affine[:3, :3].T + image.affine[:3, 3]
    affine = series.geometry.affine
    voxel = np.rint((world - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T).astype(int)
    found = np.zeros(series.geometry.shape, bool)
    found[tuple(voxel.T)] = True
    return found


def result_file(folder: Path, series: Series, drawn: NDArray[Any], labels: list[Label], form: Form) -> Path:
    """Write a mask as the API does: from the packed headers, the stored mask and the stored CT."""
    if not (folder / "h.zip").exists():
        archive.pack_headers(series.headers, folder / "h.zip")
        write_nifti(folder / "ct.nii.gz", series)
        nifti.write_mask(folder / "m.nii.gz", drawn, series.geometry)
    target = folder / f"{form}.dcm"
    write_result(
        target,
        form=form,
        mask=folder / "m.nii.gz",
        headers=folder / "h.zip",
        ct=folder / "ct.nii.gz",
        labels=[vars(label) for label in labels],
        origin={**asdict(ORIGIN), "made_at": ORIGIN.made_at.isoformat()},
        deflated=False,
    )
    return target
