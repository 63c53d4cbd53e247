"""A series that is read file by file, while it comes, is the volume that it is when all is there."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless

from segloop.errors import InvalidInput
from segloop.imaging import derive_ct
from tests.dicom_series import DIRECTIONS, slices, voxels, write, zipped

Change = Callable[[list[pydicom.Dataset]], None]


def _tar(files: list[Path]) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w|") as archive:
        for file in files:
            archive.add(file, file.name)
    return body.getvalue()


def _folder(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name / "output"
    folder.mkdir(parents=True)
    return folder


def _plain(found: list[pydicom.Dataset]) -> None:
    pass


def _backwards(found: list[pydicom.Dataset]) -> None:
    found.reverse()


def _packed(found: list[pydicom.Dataset]) -> None:
    for one in found:
        one.compress(JPEG2000Lossless, generate_instance_uid=False)


def _rescaled(found: list[pydicom.Dataset]) -> None:
    for n, one in enumerate(found):
        one.RescaleIntercept = str(-1000 - n)


def _of_fractions(found: list[pydicom.Dataset]) -> None:
    found[2].RescaleSlope = "0.5"


def _with_a_localizer(found: list[pydicom.Dataset]) -> None:
    found[0].ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


@pytest.mark.parametrize(
    "change",
    [_plain, _backwards, _packed, _rescaled, _of_fractions, _with_a_localizer],
    ids=lambda one: one.__name__,
)
@pytest.mark.parametrize("direction", ["axial", "oblique"])
def test_a_tar_and_a_zip_of_a_series_are_one_volume(tmp_path: Path, change: Change, direction: str) -> None:
    found = slices(voxels((64, 40, 6)), direction=DIRECTIONS[direction])
    change(found)
    files = write(tmp_path / "ct", found)
    streamed, whole = _folder(tmp_path, "streamed"), _folder(tmp_path, "whole")
    by_tar = derive_ct.derive_series(io.BytesIO(_tar(files)), streamed)
    by_zip = derive_ct.derive_volume(zipped(tmp_path / "ct.zip", files), whole)
    assert by_tar == by_zip
    bodies = [gzip.decompress((folder / "original").read_bytes()) for folder in (streamed, whole)]
    assert bodies[0] == bodies[1]
    assert hashlib.sha256(bodies[0]).hexdigest() == by_tar["content"]
    assert (streamed.parent / "headers.zip").read_bytes()
    image = nib.Nifti1Image.from_bytes(bodies[0])
    values = np.asarray(image.dataobj)
    assert (by_tar["hu_min"], by_tar["hu_max"]) == (values.min(), values.max())


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_a_tar_that_breaks_off_is_refused_also_between_two_files(tmp_path: Path, share: float) -> None:
    body = _tar(write(tmp_path / "ct", slices(voxels((64, 40, 6)))))
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        starts = [entry.offset for entry in archive]
    for end in (int(share * len(body)), starts[3], starts[3] + 1, starts[3] + 128, starts[3] + 511):
        with pytest.raises(InvalidInput) as refused:
            derive_ct.derive_series(io.BytesIO(body[:end]), _folder(tmp_path, f"cut-{end}"))
        assert refused.value.code == "tar_broken"
    damaged = bytearray(body)
    damaged[starts[3] + 150] ^= 1  # in the checksum of a header
    with pytest.raises(InvalidInput) as refused:
        derive_ct.derive_series(io.BytesIO(bytes(damaged)), _folder(tmp_path, "damaged"))
    assert refused.value.code == "tar_broken"


def test_what_is_no_slice_of_the_first_series_is_judged_as_in_a_zip(tmp_path: Path) -> None:
    short, best = slices(voxels((14, 12, 4)), seed="short"), slices(voxels((14, 12, 9)), seed="best")
    files = write(tmp_path / "study", [*short, *best])
    notes = tmp_path / "notes.txt"
    notes.write_text("hello")
    streamed = _folder(tmp_path, "streamed")
    found = derive_ct.derive_series(io.BytesIO(_tar([*files, notes])), streamed)
    assert found["shape"] == [14, 12, 9]
    assert found["notes"] == ["A series of 4 slices was left out."]


def test_a_tar_with_links_and_devices_writes_only_numbered_files(tmp_path: Path) -> None:
    files = write(tmp_path / "ct", slices(voxels((14, 12, 4))))
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w|") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            entry = tarfile.TarInfo("../../evil")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        for file in files:
            archive.add(file, f"../{file.name}")
    found = derive_ct.derive_series(io.BytesIO(body.getvalue()), _folder(tmp_path, "a"))
    assert found["shape"] == [14, 12, 4]
    assert sorted(file.name for file in (tmp_path / "a").iterdir()) == ["headers.zip", "output"]
    assert not (tmp_path.parent / "evil").exists()
