"""What a C-STORE brings and answers, whoever opened the association (PS3.4 B, PS3.7 9.1.1)."""

from io import BytesIO
from typing import Any

from pydicom import Dataset
from pydicom.filewriter import write_file_meta_info

SUCCESS, OUT_OF_RESOURCES, DUPLICATE, NOT_AUTHORIZED, CANNOT_UNDERSTAND = (
    0x0000,
    0xA700,
    0x0111,
    0x0124,
    0xC000,
)
"""Statuses (PS3.4 B.2.3, PS3.7 C.5)."""
_LONGEST_COMMENT = 64


def file_of(event: Any) -> tuple[bytes, memoryview]:
    """Return a DICOM file (PS3.10) in two pieces: its head, and the data set as it came, byte for byte."""
    head = BytesIO()
    head.write(bytes(128) + b"DICM")
    write_file_meta_info(head, event.file_meta)  # type: ignore[arg-type]
    return head.getvalue(), event.request.DataSet.getbuffer()


def refusal(status: int, comment: str) -> Dataset:
    """Return a status with a comment that the sender may show; it names no one."""
    found = Dataset()
    found.Status, found.ErrorComment = status, comment[:_LONGEST_COMMENT]
    return found
