"""Send a result to a PACS by C-STORE, and ask it afterwards whether it is there."""

from collections.abc import Sequence
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find  # type: ignore[attr-defined]
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from segloop.errors import InvalidInput, Unavailable
from services.dicom_gateway.associate import association
from services.dicom_gateway.deliver import Fetch
from services.dicom_gateway.deliveries import Delivery, NotTaken, ended
from services.dicom_gateway.destinations import CStore

PENDING = (0xFF00, 0xFF01)
_PLAIN = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]


def c_store(peer: CStore, fetch: Fetch, delivery: Delivery, *, caller: str) -> Delivery:
    """Store an object, look for it there by C-FIND, and return the delivery as "verified", or "sent" where it can't be asked.

    One that was tried before is looked for first, and sent again only where it is not there; it is the same to the byte.

    Raises:
        NotTaken: it takes no such objects.
        InvalidInput: `destination_refuses` where it refuses this one for good.
        Unavailable: `destination_unavailable`, `destination_busy`, or `delivery_not_found` where it said success and has nothing.
    """
    found = pydicom.dcmread(BytesIO(fetch(False)))
    wanted: Sequence[tuple[str, Sequence[str]]] = [
        (found.SOPClassUID, [found.file_meta.TransferSyntaxUID]),
        (Find, _PLAIN),
        # So that one which takes nothing of ours can be told from one that is away.
        (Verification, _PLAIN),
    ]
    with association(peer, wanted, caller=caller) as (link, accepted):
        if delivery.attempts and Find in accepted and _is_there(peer, link, found):
            return ended(delivery, "verified")
        if found.SOPClassUID not in accepted:
            raise NotTaken("form_not_taken", f"{peer.name} takes no {found.SOPClassUID.name}.")
        _store(peer, link, found)
        there = _is_there(peer, link, found) if Find in accepted else None
        if there is None:
            return ended(delivery, "sent")
        if not there:
            raise Unavailable(
                "delivery_not_found", f"{peer.name} said success, and does not have the result."
            )
        return ended(delivery, "verified")


def _store(peer: CStore, link: Association, found: Dataset) -> None:
    status = link.send_c_store(found)
    code = status.get("Status") if status else None
    if code is None or code == 0x0110 or 0xA700 <= code <= 0xA7FF:
        raise Unavailable("destination_busy", f"{peer.name} broke off, or has no room or time.")
    if code == 0x0122:
        raise NotTaken("form_not_taken", f"{peer.name} takes no {found.SOPClassUID.name}.")
    if code != 0 and not 0xB000 <= code <= 0xBFFF:  # warnings mean it was stored
        raise InvalidInput(
            "destination_refuses",
            f"{peer.name} refused the result with status {code:04X}. Look into its log.",
        )


def _is_there(peer: CStore, link: Association, found: Dataset) -> bool | None:
    """Say whether a peer has an object, None where it doesn't say."""
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(query, keyword, found[keyword].value)
    there, code = False, None
    for status, identifier in link.send_c_find(query, Find):
        code = status.get("Status") if status else None
        if code in PENDING and identifier is not None:
            there = there or identifier.get("SOPInstanceUID") == found.SOPInstanceUID
    if code is None:
        raise Unavailable("destination_unavailable", f"{peer.name} broke off while it was asked.")
    return there if code == 0 or there else None
