"""Is a peer there, and does it let us in? C-ECHO, or a QIDO-RS that asks for nothing in particular."""

import time
from collections.abc import Mapping
from typing import Any

import httpx
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from segloop.errors import NotFound, SegloopError, Unavailable
from services.dicom_gateway.associate import association
from services.dicom_gateway.config import Config
from services.dicom_gateway.credentials import Certificates
from services.dicom_gateway.destinations import CStore, Destination, StowRs
from services.dicom_gateway.retrieve import Retriever
from services.dicom_gateway.sources import Source, WebSource
from services.dicom_gateway.stow import peer_client


def echo(config: Config, retriever: Retriever, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether the destination or source `name` answers, what was `tried`, in words, and after how many seconds.

    Where it doesn't, `to_do` says what to look at.

    Raises:
        NotFound: `peer_unknown`.
    """
    name = str(payload["name"])
    peer = config.destinations.get(name)
    if peer is None and name not in config.sources:
        raise NotFound("peer_unknown", "This gateway has no destination or source of this name.")
    begin = time.monotonic()
    asked = config.sources[name] if peer is None else peer
    about = {"tried": _tried(asked, config.aet)}
    try:
        if peer is None:
            retriever.probe(name)
        text = f"{name} answers." if peer is None else _ask(peer, config.aet)
    except SegloopError as error:
        to_do = _to_do(asked, config.aet)
        return {"ok": False, "message": error.message, "seconds": _since(begin), **about, "to_do": to_do}
    return {"ok": True, "message": text, "seconds": _since(begin), **about}


def _tried(peer: Destination | Source, caller: str) -> str:
    """Return what is asked of a peer, and how it is reached."""
    if isinstance(peer, StowRs | WebSource):
        url = httpx.URL(peer.web.url)
        port = url.port or (443 if url.scheme == "https" else 80)
        how = "with TLS" if url.scheme == "https" else "without TLS"
        return f"QIDO-RS (a search for one study) at {url.scheme}://{url.host}:{port}{url.path}, {_certified(how, peer.web.certificates)}"
    how = "without TLS" if peer.tls is None else _certified("with TLS", peer.tls)
    return f"C-ECHO from AE title {caller} to AE title {peer.aet} at {peer.host} port {peer.port}, {how}"


def _certified(how: str, certificates: Certificates) -> str:
    return f"{how} and our certificate" if certificates.certificate else how


def _to_do(peer: Destination | Source, caller: str) -> str:
    """Return what a PACS administrator looks at, in that order."""
    if isinstance(peer, StowRs | WebSource):
        return (
            "Check that it runs at this address and that no firewall or proxy stands between; that the path is that of its DICOMweb "
            "service; that our token, password or certificate is accepted there; and, with TLS, that its certificate is of the "
            "authority in `tls.ca` and made out to this host."
        )
    return (
        f"Check that it runs at this host and port and that no firewall stands between; that it is called {peer.aet} and knows "
        f"{caller} at our host; and that both sides use TLS, or neither, with certificates that the other one accepts."
    )


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
