"""The whole way with other people's software: DCMTK sends, the gateway has it segmented, Orthanc keeps Segmentation and RT
Structure Set, dciodvfy finds no error of ours, and dcmqi and plain pydicom read exactly the mask's voxels in the patient."""

import gzip
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import nibabel as nib
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from segloop.settings import Settings
from services.dicom_gateway.destinations import CStore
from services.dicom_gateway.rules import Rule
from tests import orthanc
from tests.conftest import ROOT
from tests.dicom_series import DIRECTIONS, slices, write
from tests.integration.test_dicom_gateway import (  # noqa: F401
    GRID,
    Gateway,
    api,
    blocks,
    engine,
    errors_of,
    gateway,
    pacs,
    states,
    storescu,
    third_party,
    worker,
)

SHARED = ROOT.parent / "shared/data/dicom"
# As a scanner writes a patient who lies the other way round: rows to the right, and each slice below the last.
WAYS = DIRECTIONS | {
    "feet first": (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "oblique, downwards": (0.98006658, 0.19866933, 0.0, 0.18979606, -0.93629336, 0.29552021),
}
N_SLICES = 20
"""Of a real series, from its middle: enough for any error of geometry, and soon segmented."""
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
Mask = tuple[NDArray[Any], NDArray[Any], dict[int, str]]
"""Voxels (x, y, z), affine to RAS in mm, names by value."""


class Loop:
    """Sends a folder to the gateway and takes what comes back into the PACS."""

    def __init__(
        self, by: Gateway, into: orthanc.Orthanc, work: Callable[[], Any], address: str, settings: Settings
    ) -> None:
        self._gateway, self._pacs, self._worker = by, into, work
        headers = {"Authorization": f"Bearer {settings.token}"}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=60)
        both = CStore(
            name="pacs",
            aet=orthanc.AET,
            host="127.0.0.1",
            port=into.dicom_port,
            forms=("seg", "rtstruct"),
        )
        rules = (Rule("all", {}, destinations=("pacs",)),)
        by.begin(replace(by.config, destinations={"pacs": both}, rules=rules))

    def run(self, folder: Path) -> tuple[dict[str, bytes], Mask]:
        """Return the results by modality as Orthanc has them, and the mask as the API has it."""
        sent = storescu(folder, self._gateway.config.port)
        assert sent.returncode == 0, sent.stderr
        with self._pacs.running():
            (entry,) = self._gateway.until(
                lambda found: found[0].stage in ("done", "failed"), self._worker, limit_s=300
            )
            assert states(entry) == {("pacs", "seg"): "verified", ("pacs", "rtstruct"): "verified"}, entry
            stored = self._pacs.instances()
            bodies = {one["Modality"]: self._pacs.file(one["SOPInstanceUID"]) for one in stored}
        assert len(stored) == 2 and set(bodies) == {"SEG", "RTSTRUCT"}
        return bodies, self._mask(entry.mask_id)

    def _mask(self, mask_id: str) -> Mask:
        content = self._http.get(f"/v1/masks/{mask_id}/content").content
        image: Any = nib.Nifti1Image.from_bytes(  # type: ignore[no-untyped-call]
            gzip.decompress(content)
        )
        (label_set, *_) = self._http.get("/v1/projects/default/label-sets").json()["items"]
        names = {one["index"]: one["name"] for one in label_set["labels"]}
        return np.asarray(image.dataobj), image.affine, names


@pytest.fixture
def loop(
    gateway: Gateway,  # noqa: F811
    pacs: orthanc.Orthanc,  # noqa: F811
    worker: Callable[[], Any],  # noqa: F811
    api: str,  # noqa: F811
    settings: Settings,
) -> Loop:
    return Loop(gateway, pacs, worker, api, settings)


def check(bodies: dict[str, bytes], mask: Mask, files: Sequence[Path], folder: Path) -> None:
    """Compare what the PACS has with the mask, by readers that are not ours."""
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    known = set().union(*(errors_of(file) for file in files[:1]))
    for modality, body in bodies.items():
        file = folder / f"{modality}.dcm"
        file.write_bytes(body)
        assert errors_of(file) <= known, modality
        found = pydicom.dcmread(file)
        assert found.StudyInstanceUID == headers[0].StudyInstanceUID
        assert found.SeriesInstanceUID != headers[0].SeriesInstanceUID
        assert found.get("PatientID") == headers[0].get("PatientID")
    voxels, _, names = mask
    expected = {name: voxels == index for index, name in names.items() if (voxels == index).any()}
    assert expected, "nothing was segmented, so nothing was compared"
    for read in (by_pydicom(bodies["SEG"], headers, mask), by_dcmqi(folder / "SEG.dcm", mask, folder)):
        assert set(read) == set(expected)
        for name, drawn in expected.items():
            np.testing.assert_array_equal(read[name], drawn, err_msg=name)


def by_pydicom(body: bytes, headers: Sequence[pydicom.Dataset], mask: Mask) -> dict[str, NDArray[np.bool_]]:
    """Return each segment on the mask's grid, each frame placed by its own position in the patient."""
    seg = pydicom.dcmread(BytesIO(body))
    shared = seg.SharedFunctionalGroupsSequence[0]
    orientation = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    between_rows, between_columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    names = {item.SegmentNumber: item.SegmentLabel for item in seg.SegmentSequence}
    sources = {header.SOPInstanceUID: header for header in headers}
    found = {name: np.zeros(mask[0].shape, bool) for name in names.values()}
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    for frame, item in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        position = np.array(item.PlanePositionSequence[0].ImagePositionPatient, float)
        source = sources[item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID]
        np.testing.assert_allclose(position, np.array(source.ImagePositionPatient, float), atol=1e-3)
        rows, columns = np.nonzero(frame)
        lps = (
            position
            + np.outer(columns * between_columns, orientation[:3])
            + np.outer(rows * between_rows, orientation[3:])
        )
        number = item.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        place(found[names[number]], lps @ LPS_TO_RAS, mask[1])
    return found


def by_dcmqi(file: Path, mask: Mask, folder: Path) -> dict[str, NDArray[np.bool_]]:
    """Return each segment on the mask's grid as dcmqi, which 3D Slicer uses, reads it."""
    output = folder / "dcmqi"
    output.mkdir()
    tool = Path(sys.executable).with_name("segimage2itkimage")
    command = [tool, "--inputDICOM", file, "--outputDirectory", output, "--outputType", "nifti"]
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    meta = json.loads((output / "meta.json").read_text())
    names = {one["labelID"]: one["SegmentLabel"] for group in meta["segmentAttributes"] for one in group}
    found = {name: np.zeros(mask[0].shape, bool) for name in names.values()}
    for image_file in output.glob("[0-9]*.nii.gz"):
        image: Any = nib.load(image_file)  # type: ignore[attr-defined]
        places = np.argwhere(np.asarray(image.dataobj) > 0)
        name = names[int(image_file.name.split(".")[0])]
        place(found[name], places @ image.affine[:3, :3].T + image.affine[:3, 3], mask[1])
    return found


def place(target: NDArray[np.bool_], ras: NDArray[Any], affine: NDArray[Any]) -> None:
    """Set the voxels whose centres these points (RAS, mm) are; a point beside any centre fails."""
    if not len(ras):
        return
    voxel = (ras - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    assert np.abs(voxel - np.rint(voxel)).max() < 0.02
    target[tuple(np.rint(voxel).astype(int).T)] = True


@pytest.mark.parametrize("name", WAYS)
def test_whatever_way_the_slices_look(loop: Loop, tmp_path: Path, name: str) -> None:
    files = write(tmp_path / "ct", slices(blocks(31), direction=WAYS[name], seed=f"loop {name}", **GRID))
    bodies, mask = loop.run(tmp_path / "ct")
    check(bodies, mask, files, tmp_path)


@pytest.mark.parametrize("name", ["chaos_set3", "sts_012_rtstruct", "sts_029_rtstruct"])
def test_real_series(loop: Loop, tmp_path: Path, name: str) -> None:
    archive = SHARED / f"{name}.zip"
    if not archive.exists():
        pytest.skip(f"NOT RUN: {name}.zip is not beside this checkout")
    with zipfile.ZipFile(archive) as packed:
        found = [
            pydicom.dcmread(io.BytesIO(packed.read(entry)))
            for entry in packed.infolist()
            if not entry.is_dir()
        ]
    found = sorted(
        (one for one in found if one.Modality == "CT"), key=lambda one: float(one.ImagePositionPatient[2])
    )
    middle = len(found) // 2
    files = write(tmp_path / "ct", found[middle - N_SLICES // 2 : middle + N_SLICES // 2])
    bodies, mask = loop.run(tmp_path / "ct")
    check(bodies, mask, files, tmp_path)
