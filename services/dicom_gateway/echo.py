"""Is a peer there, and does it let us in? C-ECHO, or a QIDO-RS that asks for nothing in particular."""

import time
from collections.abc import Mapping
from typing import Any

from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from segloop.errors import NotFound, SegloopError, Unavailable
from services.dicom_gateway.associate import association
from services.dicom_gateway.config import Config
from services.dicom_gateway.destinations import CStore, Destination
from services.dicom_gateway.retrieve import Retriever
from services.dicom_gateway.stow import peer_client


def echo(config: Config, retriever: Retriever, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether the destination or source `name` answers, in words, and after how many seconds.

    Raises:
        NotFound: `peer_unknown`.
    """
    name = str(payload["name"])
    peer = config.destinations.get(name)
    if peer is None and name not in config.sources:
        raise NotFound("peer_unknown", "This gateway has no destination or source of this name.")
    begin = time.monotonic()
    try:
        if peer is None:
            retriever.probe(name)
        text = f"{name} answers." if peer is None else _ask(peer, config.aet)
    except SegloopError as error:
        return {"ok": False, "message": error.message, "seconds": _since(begin)}
    return {"ok": True, "message": text, "seconds": _since(begin)}


def _ask(peer: Destination, caller: str) -> str:
    if isinstance(peer, CStore):
        with association(peer, [(Verification, [ImplicitVRLittleEndian])], caller=caller) as (link, _):
            status = link.send_c_echo()
        code = status.get("Status") if status else None
        if code != 0:
            raise Unavailable(
                "destination_unavailable", f"{peer.name} knows {caller}, but answers no C-ECHO."
            )
        return f"{peer.name} answers a C-ECHO from {caller}."
    with peer_client(peer) as http:
        answer = http.get("studies", params={"limit": "1"}, headers={"Accept": "application/dicom+json"})
    if answer.status_code in (200, 204):
        return f"{peer.name} answers a search (QIDO-RS)."
    what = (
        "does not let us in" if answer.status_code in (401, 403) else "answers a search (QIDO-RS) otherwise"
    )
    raise Unavailable(
        "destination_unavailable",
        f"{peer.name} {what}: HTTP status {answer.status_code}. Check its address, and our token, password or certificate.",
    )


def _since(begin: float) -> float:
    return round(time.monotonic() - begin, 3)
