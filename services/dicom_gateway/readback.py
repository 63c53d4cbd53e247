"""Ask a DICOMweb peer whether it has an object (QIDO-RS), and whether it is ours (WADO-RS)."""

from email.message import Message
from io import BytesIO

import httpx
import pydicom
from pydicom.dataset import Dataset

from segloop.errors import Unavailable
from services.dicom_gateway.destinations import StowRs

_SOP_INSTANCE_UID = "00080018"
_JSON = {"Accept": "application/dicom+json"}
_CONTENT = ("PixelData", "EncapsulatedDocument", "ROIContourSequence", "ContentSequence", "SegmentSequence")
"""What a result says. Who the patient is and where it was stored, a PACS may write anew (PS3.4 B.4.1.3)."""


def is_there(peer: StowRs, http: httpx.Client, found: Dataset) -> bool | None:
    """Say whether a peer has an object; None where it can't be asked. "Nothing" is 200 with an empty list or 204.

    404 is "nothing", too, where a question for any study is not answered in the same way: else it has no QIDO-RS.

    Raises:
        Unavailable: `destination_unavailable`, `destination_denies`.
    """
    path = f"studies/{found.StudyInstanceUID}/series/{found.SeriesInstanceUID}/instances"
    query = {"SOPInstanceUID": str(found.SOPInstanceUID)}
    answer = http.get(path, params=query, headers=_JSON)
    if answer.status_code == 404:
        any_study = http.get("studies", params={"limit": "1"}, headers=_JSON)
        return None if any_study.status_code == 404 else False
    if answer.status_code == 204:
        return False
    if answer.status_code in (401, 403):
        raise Unavailable(
            "destination_denies",
            f"{peer.name} does not let us in. Check the token, password or certificate, and what we may do there.",
        )
    if answer.status_code >= 500 and answer.status_code != 501:
        raise Unavailable(
            "destination_unavailable", f"{peer.name} answers with HTTP status {answer.status_code}."
        )
    if answer.status_code != 200:
        return None
    try:
        uids = [one[_SOP_INSTANCE_UID]["Value"][0] for one in answer.json()]
    except (ValueError, KeyError, TypeError, IndexError):  # it answers something else than QIDO-RS
        return None
    return str(found.SOPInstanceUID) in uids


def stored(http: httpx.Client, found: Dataset) -> Dataset | None:
    """Return what a peer has under an object's UID, or None where it doesn't give it."""
    path = (
        f"studies/{found.StudyInstanceUID}/series/{found.SeriesInstanceUID}/instances/{found.SOPInstanceUID}"
    )
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    answer = http.get(path, headers={"Accept": accept})
    if answer.status_code != 200:
        return None
    header = Message()
    header["Content-Type"] = answer.headers.get("Content-Type", "")
    boundary = header.get_param("boundary")
    if not boundary:
        return None
    _, _, part = answer.content.partition(f"--{boundary}".encode())
    _, _, body = part.partition(b"\r\n\r\n")
    body = body[: body.rfind(f"\r\n--{boundary}".encode())]
    try:
        return pydicom.dcmread(BytesIO(body))
    except Exception:  # whatever a broken answer makes of its parser
        return None


def same_content(ours: Dataset, theirs: Dataset) -> bool:
    """Say whether two objects hold the same result."""
    syntaxes = {ours.file_meta.TransferSyntaxUID, theirs.file_meta.TransferSyntaxUID}
    recoded = len(syntaxes) > 1 and any(syntax.is_encapsulated for syntax in syntaxes)
    compared = [keyword for keyword in _CONTENT if not (keyword == "PixelData" and recoded)]
    return ours.SOPClassUID == theirs.SOPClassUID and all(
        ours.get(keyword) == theirs.get(keyword) for keyword in compared
    )
