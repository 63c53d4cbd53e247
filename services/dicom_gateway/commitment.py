"""Storage commitment (PS3.4 J): a PACS is asked to vouch for what it took, and answers at once or much later."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from services.dicom_gateway.deliveries import Delivery, ended, wait_s
from services.dicom_gateway.destinations import CStore, Destination

REQUEST = 1
"""The action type of N-ACTION."""
SUCCESS, INVALID_ARGUMENT = 0x0000, 0x0115
MOST_KEPT = 1000
AT_ONCE_S = 3.0
"""How long the association is kept open for a peer that answers on it."""
MOST_ASKED = 10
"""How often one that doesn't answer is asked: with growing waits (1 ... 256 s), for about nine minutes."""


class Commitments:
    """What peers vouched for, by transaction, on whichever association it came. Forgotten with the process: it is asked again."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._vouched: OrderedDict[str, frozenset[str]] = OrderedDict()

    @property
    def handlers(self) -> list[tuple[Any, Any]]:
        """What an association needs to take answers."""
        return [(evt.EVT_N_EVENT_REPORT, self.take)]

    def take(self, event: Any) -> tuple[int, None]:
        """Take an N-EVENT-REPORT and return its status."""
        try:
            said = event.event_information
            transaction = str(said.TransactionUID)
            stored = said.get("ReferencedSOPSequence") or []
            instances = frozenset(str(one.ReferencedSOPInstanceUID) for one in stored)
        except Exception:  # whatever a hostile dataset makes of its parser
            return INVALID_ARGUMENT, None
        with self._changed:
            self._vouched[transaction] = instances
            while len(self._vouched) > MOST_KEPT:
                self._vouched.popitem(last=False)
            self._changed.notify_all()
        return SUCCESS, None

    def answer(self, transaction: str, instance: str, *, limit_s: float = 0.0) -> bool | None:
        """Say whether a peer vouches for an instance, None where it has not answered in time."""
        end = time.monotonic() + limit_s
        with self._changed:
            while transaction not in self._vouched and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            found = self._vouched.get(transaction)
        return None if found is None else instance in found


def vouching(peers: Iterable[Destination]) -> list[str]:
    """Return the AE titles of destinations that are asked for storage commitment."""
    return [peer.aet for peer in peers if isinstance(peer, CStore) and peer.commitment]


def ask(link: Association, found: Dataset) -> str:
    """Ask a peer to vouch for an object; return the transaction, or "" where it does not take the request."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = found.SOPClassUID, found.SOPInstanceUID
    request = Dataset()
    request.TransactionUID = generate_uid(prefix=None)  # random, so that nobody else can answer it
    request.ReferencedSOPSequence = Sequence([item])
    status, _ = link.send_n_action(
        request, REQUEST, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
    )
    return str(request.TransactionUID) if status and status.get("Status") == SUCCESS else ""


def unanswered(delivery: Delivery, transaction: str) -> Delivery:
    """Return a delivery that waits for an answer; after a while it counts as sent, without anybody vouching for it."""
    if delivery.asks + 1 >= MOST_ASKED:
        text = "It took the result, and never answered the request for storage commitment."
        return replace(ended(delivery, "sent"), code="commitment_missing", message=text)
    return replace(
        delivery,
        code="commitment_pending",
        message="It took the result, and is yet to say that it keeps it.",
        attempts=delivery.attempts + 1,
        next_try=time.time() + wait_s(delivery.asks),
        transaction=transaction,
        asks=delivery.asks + 1,
    )
