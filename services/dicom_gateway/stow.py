"""Send a result to a PACS by STOW-RS (PS3.18 10.5), and read back whether it is there."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import httpx
import pydicom
from pydicom.dataset import Dataset

from segloop.errors import InvalidInput, SegloopError, Unavailable
from services.dicom_gateway.deliver import Fetch
from services.dicom_gateway.deliveries import Delivery, NotTaken, ended
from services.dicom_gateway.destinations import StowRs
from services.dicom_gateway.readback import is_there, same_content, stored

TIMEOUT_S = 300.0
DEFLATED = ("seg", "labelmap")
"""Forms that are mostly zeros, and that the API gives as deflated little endian, too."""
FAILED_SOP_SEQUENCE, FAILURE_REASON = "00081198", "00081197"
NOT_SUPPORTED, PROCESSING_FAILURE, DUPLICATE = 0x0122, 0x0110, 0x0111
"""Failure reasons (PS3.3 C.14.1.1, PS3.7 C)."""


def stow_rs(peer: StowRs, fetch: Fetch, delivery: Delivery) -> Delivery:
    """Store an object, and return the delivery as "verified" by QIDO-RS, or "sent" where the peer can't be asked.

    What is there already under its UID is compared and never sent again: a peer may say success and keep what it had. A
    form of `DEFLATED` is offered so first where the destination is so configured.

    Raises:
        NotTaken: it takes no such objects.
        InvalidInput: `destination_refuses`, or `delivery_differs` where another object is there under the same UID.
        Unavailable: `destination_unavailable`, `destination_busy`, `destination_denies`, or `delivery_not_found` where it
            said success and has nothing.
    """
    packed = delivery.form in DEFLATED and peer.deflated
    body = fetch(packed)
    found = pydicom.dcmread(BytesIO(body))
    with peer_client(peer) as http:
        if is_there(peer, http, found):
            _require_same(peer, http, found)
            return ended(delivery, "verified")
        if not packed:
            _post(peer, http, body, delivery)
        elif not _taken(peer, http, body, found, delivery):
            _post(peer, http, fetch(False), delivery)
        there = is_there(peer, http, found)
        if there is None:
            return ended(delivery, "sent")
        if not there:
            raise Unavailable(
                "delivery_not_found", f"{peer.name} said success, and does not have the result."
            )
        return ended(delivery, "verified")


@contextmanager
def peer_client(peer: StowRs) -> Iterator[httpx.Client]:
    """Give a client for a peer; what breaks becomes `destination_unavailable`."""
    try:
        with peer.web.client(timeout_s=TIMEOUT_S) as http:
            yield http
    except (httpx.HTTPError, OSError) as error:
        raise Unavailable(
            "destination_unavailable",
            f"{peer.name} can't be reached as the configuration says, or broke off. Check that it runs.",
        ) from error


def _taken(peer: StowRs, http: httpx.Client, body: bytes, found: Dataset, delivery: Delivery) -> bool:
    """Say whether a peer took the deflated file; one that breaks over it may still take the plain one.

    One that said success and can't be asked is believed: the plain file would be the same object a second time.
    """
    try:
        _post(peer, http, body, delivery)
    except Unavailable as error:
        if error.code == "destination_denies":
            raise
        return False
    except SegloopError:
        return False
    return is_there(peer, http, found) is not False


def _post(peer: StowRs, http: httpx.Client, body: bytes, delivery: Delivery) -> None:
    boundary = uuid.uuid4().hex
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Accept": "application/dicom+json",
    }
    content = b"".join([head, body, f"\r\n--{boundary}--\r\n".encode()])
    answer = http.post("studies", content=content, headers=headers)
    reasons = _failures(answer)
    if answer.status_code in (401, 403):
        raise Unavailable(
            "destination_denies", f"{peer.name} does not let us in. Check the token, password or certificate."
        )
    if answer.status_code == 415 or NOT_SUPPORTED in reasons:
        raise NotTaken(delivery)
    if any(reason == PROCESSING_FAILURE or 0xA700 <= reason <= 0xA7FF for reason in reasons):
        raise Unavailable("destination_busy", f"{peer.name} has no room or time.")
    if reasons == [DUPLICATE]:
        return  # it is there; whether it is the same is seen on the next look
    if reasons or answer.status_code in (400, 409, 413, 422):
        why = ", ".join(f"{reason:04X}" for reason in reasons) or f"HTTP status {answer.status_code}"
        raise InvalidInput(
            "destination_refuses", f"{peer.name} refused the result: {why}. Look into its log."
        )
    if not answer.is_success:
        raise Unavailable(
            "destination_unavailable",
            f"{peer.name} answers with HTTP status {answer.status_code}. Check its address and its log.",
        )


def _failures(answer: httpx.Response) -> list[int]:
    """Return the reasons for which instances were not stored; Orthanc's list is there and empty after a success."""
    try:
        body: Any = answer.json()
        failed = body.get(FAILED_SOP_SEQUENCE, {}).get("Value", [])
        return [int(one.get(FAILURE_REASON, {}).get("Value", [0])[0]) for one in failed]
    except (ValueError, AttributeError, TypeError, IndexError):  # no JSON: the status has to do
        return []


def _require_same(peer: StowRs, http: httpx.Client, found: Dataset) -> None:
    theirs = stored(http, found)
    if theirs is not None and not same_content(found, theirs):
        raise InvalidInput(
            "delivery_differs",
            f"{peer.name} has another object under this result's UID. Have it removed there, then send the result again.",
        )
