"""A CT's headers without whose CT it is: new data sets with allowed attributes only, keyed UIDs and no dates."""

import hashlib
import hmac
from collections.abc import Sequence

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from segloop.errors import InvalidInput
from segloop.imaging.dicom.allowed import NUMBERS, TEXTS, WORDS, numbers, words
from segloop.imaging.dicom.archive import Header

METHOD = "Segloop: allow-list, keyed UIDs, no dates, no free text"
_UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
_EMPTY = (
    *(
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "ReferringPhysicianName",
    ),
    *("StudyID", "SeriesNumber", "InstanceNumber", "AcquisitionNumber", "KVP", "Manufacturer"),
    "PositionReferenceIndicator",
)
"""To be there, if only empty (type 2 of the CT Image, PS3.3 A.3)."""


def deidentify(headers: Sequence[Header], *, pseudonym: str, uid_key: bytes) -> list[Header]:
    """Return new headers of the slices, in their order.

    The same key and UID give the same new UID, so that what belongs together still does, in other exports, too.

    Raises:
        InvalidInput: `burned_in_annotation` where a slice says that texts are in its pixels.
    """
    if says_burned_in(headers):
        raise InvalidInput(
            "burned_in_annotation",
            "This CT says that texts are burned into its images, which may name the patient; it is not exported.",
        )
    return [_deidentified(header, pseudonym, uid_key) for header in headers]


def says_burned_in(headers: Sequence[Header]) -> bool:
    """Say whether a slice states that texts which may name the patient are in its pixels."""
    return any(str(header.get("BurnedInAnnotation") or "").strip().upper() == "YES" for header in headers)


def mark(found: pydicom.Dataset) -> None:
    """Let an object say that it is de-identified and how (PS3.15 E.1.1, PS3.3 C.7.1.1)."""
    found.PatientIdentityRemoved = "YES"
    found.DeidentificationMethod = METHOD
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    found.DeidentificationMethodCodeSequence = [code]
    found.LongitudinalTemporalInformationModified = "REMOVED"


def new_uid(uid: str, key: bytes) -> str:
    """Return the UID that stands for another: `2.25.` and the first 128 bits of HMAC-SHA256, as a number (ITU-T X.667)."""
    return f"2.25.{int.from_bytes(hmac.new(key, uid.encode(), hashlib.sha256).digest()[:16], 'big')}"


def _deidentified(header: Header, pseudonym: str, uid_key: bytes) -> Header:
    found = pydicom.Dataset()
    found.SOPClassUID, found.Modality = header.SOPClassUID, "CT"
    found.PatientName, found.PatientID = f"{pseudonym}^", pseudonym
    for keyword in _EMPTY:
        setattr(found, keyword, "")
    for keyword in _UIDS:
        if header.get(keyword):
            setattr(found, keyword, new_uid(str(header.get(keyword)), uid_key))
    for keyword in NUMBERS:
        _copy_numbers(found, header, keyword)
    for keyword, known in WORDS.items():
        _copy_texts(found, header, keyword, words(header.get(keyword), known))
    for keyword, choose in TEXTS.items():
        _copy_texts(found, header, keyword, choose(header.get(keyword)))
    mark(found)
    found.file_meta = FileMetaDataset()
    found.file_meta.MediaStorageSOPClassUID = found.SOPClassUID
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return found


def _copy_numbers(found: Header, header: Header, keyword: str) -> None:
    try:
        element = header[keyword]
        value = numbers(element.value)
    except (KeyError, ValueError, TypeError):  # not there, or no number after all
        return
    if value is not None:
        found.add_new(element.tag, element.VR, value)


def _copy_texts(found: Header, header: Header, keyword: str, values: list[str]) -> None:
    if values:
        setattr(found, keyword, values if len(values) > 1 else values[0])
    elif keyword in header and not header.get(keyword):
        setattr(found, keyword, "")  # known to be unknown, which some attributes must at least be
