"""How a DICOM file begins; needs no DICOM library."""

HEAD_BYTES = 132
_MAGIC_AT, _MAGIC = 128, b"DICM"
_BARE = (b"\x02\x00", b"\x08\x00")
"""How a data set begins that was written without DICOM's preamble: it is read, and refused where it lacks its syntax."""


def is_dicom_head(head: bytes) -> bool:
    """Say whether a file's first `HEAD_BYTES` are those of a DICOM file (PS3.10 7.1); its name says nothing."""
    return head[_MAGIC_AT:HEAD_BYTES] == _MAGIC or head.startswith(_BARE)
