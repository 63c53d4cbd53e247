"""How a DICOM file begins; needs no DICOM library."""

from pathlib import Path

HEAD_BYTES = 132
_MAGIC_AT, _MAGIC = 128, b"DICM"
_BARE = (b"\x02\x00", b"\x08\x00")
"""How a data set begins that was written without DICOM's preamble: it is read, and refused where it lacks its syntax."""


def is_dicom_head(head: bytes) -> bool:
    """Say whether a file's first `HEAD_BYTES` are those of a DICOM file (PS3.10 7.1); its name says nothing."""
    return head[_MAGIC_AT:HEAD_BYTES] == _MAGIC or head.startswith(_BARE)


def is_zip(path: Path) -> bool:
    """Say whether a file is a zip by its first bytes; its name says nothing."""
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def is_dicom(path: Path) -> bool:
    """Say whether a file is a DICOM file by its first bytes."""
    with path.open("rb") as file:
        return is_dicom_head(file.read(HEAD_BYTES))
