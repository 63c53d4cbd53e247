"""What senders say of their files is not believed: UIDs that are paths, lengths that lie and bombs are no DICOM file."""

import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

from segloop.errors import InvalidInput
from services.dicom_gateway.head import read_head
from services.dicom_gateway.parts import Limits, PartWriter
from tests.dicom_series import slices, voxels, write


def body_of(folder: Path, found: Dataset) -> bytes:
    (file,) = write(folder, [found])
    return file.read_bytes()


def code_of(body: bytes) -> str:
    with pytest.raises(InvalidInput) as refused:
        read_head(BytesIO(body)).require_complete()
    return refused.value.code


@pytest.mark.filterwarnings("ignore")  # pydicom's, about UIDs that are none
@pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2/3", "1.2\n3", "1." * 40 + "1", "aux", "1.2.é"])
def test_a_uid_that_is_more_than_digits_and_dots_is_no_uid(tmp_path: Path, uid: str) -> None:
    found = slices(voxels())[0]
    found.SeriesInstanceUID = uid
    assert code_of(body_of(tmp_path, found)) == "dicom_unreadable"


def test_lengths_that_lie_are_no_reason_to_wait_or_to_fail(tmp_path: Path) -> None:
    body = body_of(tmp_path, slices(voxels())[0])
    at = body.index(b"\x08\x00\x16\x00UI")
    for length in (b"\xfe\xff", b"\xff\xff", b"\x01\x00"):
        assert code_of(body[: at + 6] + length + body[at + 8 :]).startswith("dicom_")
    for cut in (0, 131, 132, 140, at, at + 9):
        assert code_of(body[:cut]).startswith("dicom_")


def test_a_deflated_bomb_is_inflated_no_further_than_its_head(tmp_path: Path) -> None:
    found = slices(voxels())[0]
    found.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    body = body_of(tmp_path, found)
    (tmp_path / "one").write_bytes(body)
    start = 132 + 12 + read_file_meta_info(tmp_path / "one").FileMetaInformationGroupLength
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    whole = packer.compress(zlib.decompress(body[start:], -zlib.MAX_WBITS))
    bomb = (
        body[:start] + whole + b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    )
    tracemalloc.start()
    assert read_head(BytesIO(bomb)).series == found.SeriesInstanceUID
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_a_boundary_longer_than_any_is_refused(tmp_path: Path) -> None:
    """Found by fuzzing: it was an internal error."""
    with pytest.raises(InvalidInput) as refused:
        PartWriter(b"x" * 300, lambda: tmp_path / "part", Limits())
    assert refused.value.code == "multipart_broken"
