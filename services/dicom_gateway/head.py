"""What a received file says it is, from its first attributes alone: nothing else of it is read here."""

import re
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
)

from segloop.errors import InvalidInput

CLASSES = (CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)
"""What may be sent to us."""
_KEYWORDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_LAST = 0x0020000E
_HEAD_BYTES = 4 << 20
"""How much of a deflated data set is inflated: its first attributes, however far it would go on."""
_UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True)
class Head:
    """The UIDs of a file; any of them may be empty."""

    sop_class: str
    instance: str
    study: str
    series: str

    def require_complete(self) -> None:
        """Check that there are UIDs to know the file by.

        Raises:
            InvalidInput: `dicom_missing_uid`.
        """
        if not all((self.instance, self.study, self.series)):
            raise InvalidInput(
                "dicom_missing_uid",
                "Instance, series or study UID are empty, as after too much anonymization. Export the series again.",
            )


def read_head(file: BinaryIO) -> Head:
    """Return the head of a DICOM file (PS3.10).

    Raises:
        InvalidInput: `dicom_unreadable`.
    """
    try:
        if file.read(132)[128:] != b"DICM":
            raise ValueError
        meta = read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)
        return read_data_set_head(file, UID(meta.TransferSyntaxUID))
    except InvalidInput:
        raise
    except Exception as error:  # whatever a broken file makes of its reader
        raise _unreadable() from error


def read_data_set_head(file: BinaryIO, syntax: UID) -> Head:
    """Return the head of a data set without file meta information, written in a transfer syntax.

    Raises:
        InvalidInput: `dicom_unreadable`.
    """
    try:
        if syntax == DeflatedExplicitVRLittleEndian:
            file = BytesIO(
                zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(_HEAD_BYTES), _HEAD_BYTES)
            )
        found = read_dataset(
            file,
            syntax.is_implicit_VR,
            syntax.is_little_endian,
            stop_when=_is_past,
            specific_tags=[Tag(keyword) for keyword in _KEYWORDS],
        )
        uids = [str(found.get(keyword) or "") for keyword in _KEYWORDS]
        if not all(uid == "" or _UID.fullmatch(uid) for uid in uids):
            raise ValueError
        return Head(*uids)
    except Exception as error:  # as above
        raise _unreadable() from error


def _is_past(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag > _LAST


def _unreadable() -> InvalidInput:
    return InvalidInput("dicom_unreadable", "This is no DICOM file, or it is damaged. Send it again.")
