"""Send a result to a PACS by C-STORE, and ask it afterwards whether it is there."""

from collections.abc import Sequence
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    Verification,
)
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find  # type: ignore[attr-defined]

from segloop.errors import InvalidInput, Unavailable
from services.dicom_gateway.associate import association
from services.dicom_gateway.c_store import DUPLICATE
from services.dicom_gateway.commitment import AT_ONCE_S, Commitments, ask, unanswered
from services.dicom_gateway.deliver import Fetch
from services.dicom_gateway.deliveries import Delivery, NotTaken, ended
from services.dicom_gateway.destinations import CStore

PENDING = (0xFF00, 0xFF01)
_PLAIN = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]


def c_store(
    peer: CStore, fetch: Fetch, delivery: Delivery, *, caller: str, commitments: Commitments
) -> Delivery:
    """Store an object, and return the delivery as "verified" where the peer vouches for it or has it by C-FIND, else "sent".

    It is looked for first, and sent only where it is not there: it may have come by an earlier order, and is the same. A
    peer that is yet to answer a request for storage commitment leaves it "waiting" (`commitment_pending`).

    Raises:
        NotTaken: it takes no such objects.
        InvalidInput: `destination_refuses` where it refuses this one for good.
        Unavailable: `destination_unavailable`, `destination_busy`, or `delivery_not_found` and `delivery_not_committed` where
            it said success and has nothing, or does not keep it.
    """
    found = pydicom.dcmread(BytesIO(fetch(False)))
    if delivery.transaction:
        answer = commitments.answer(delivery.transaction, found.SOPInstanceUID)
        if answer is not None:
            return _vouched(peer, delivery, answer)
    wanted: list[tuple[str, Sequence[str]]] = [
        *((found.SOPClassUID, [syntax]) for syntax in _syntaxes(found)),
        (Find, _PLAIN),
        # So that one which takes nothing of ours can be told from one that is away.
        (Verification, _PLAIN),
    ]
    if peer.commitment:
        wanted.append((StorageCommitmentPushModel, _PLAIN))
    with association(peer, wanted, caller=caller, handlers=commitments.handlers) as (link, accepted):
        if not delivery.transaction:
            there = _is_there(peer, link, found) if Find in accepted else None
            if not there:
                if found.SOPClassUID not in accepted:
                    raise NotTaken(delivery)
                _store(peer, link, found, delivery)
        transaction = ask(link, found) if StorageCommitmentPushModel in accepted else ""
        if transaction:
            answer = commitments.answer(transaction, found.SOPInstanceUID, limit_s=AT_ONCE_S)
            if answer is None:
                return unanswered(delivery, transaction)
            return _vouched(peer, delivery, answer)
        there = _is_there(peer, link, found) if Find in accepted else None
        if there is None:
            return ended(delivery, "sent")
        if not there:
            raise Unavailable(
                "delivery_not_found", f"{peer.name} said success, and does not have the result."
            )
        return ended(delivery, "verified")


def _syntaxes(found: Dataset) -> list[str]:
    """Return what an object may be sent in: as it is, and where nothing is compressed also in DICOM's default (PS3.5 10.1).

    Each is proposed by itself, so that it is sent as it is where the peer takes that.
    """
    own = found.file_meta.TransferSyntaxUID
    return [own] if own.is_encapsulated else list(dict.fromkeys([own, ImplicitVRLittleEndian]))


def _vouched(peer: CStore, delivery: Delivery, answer: bool) -> Delivery:
    if not answer:
        raise Unavailable(
            "delivery_not_committed", f"{peer.name} said success, and does not vouch for the result."
        )
    return ended(delivery, "verified")


def _store(peer: CStore, link: Association, found: Dataset, delivery: Delivery) -> None:
    status = link.send_c_store(found)
    code = status.get("Status") if status else None
    if code is None or code == 0x0110 or 0xA700 <= code <= 0xA7FF:
        raise Unavailable("destination_busy", f"{peer.name} broke off, or has no room or time.")
    if code == DUPLICATE:
        return  # it is there; whether it is kept is asked next
    if code == 0x0122:
        raise NotTaken(delivery)
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
