"""Associations as a service user: with time limits on every step, and TLS where the peer has it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pynetdicom import AE
from pynetdicom.association import Association

from segloop.errors import Unavailable
from services.dicom_gateway.destinations import CStore
from services.dicom_gateway.reads import limit

_USER = 1
"""Who refuses: the application itself, not its transport."""
CONNECT_S, ASSOCIATE_S, ANSWER_S = 15.0, 30.0, 120.0
"""How long a peer may take to be reached, to accept an association, and to answer or take more of a message."""


@contextmanager
def association(
    peer: CStore, contexts: Sequence[tuple[str, Sequence[str]]], *, caller: str, handlers: Sequence[Any] = ()
) -> Iterator[tuple[Association, set[str]]]:
    """Associate with a peer for abstract syntaxes with their transfer syntaxes, and give which of them it takes.

    What breaks inside the block becomes `destination_unavailable`: a peer that goes away, or whose answers make no sense.

    Raises:
        Unavailable: `destination_unavailable`.
    """
    ae = AE(ae_title=caller)
    ae.connection_timeout, ae.acse_timeout, ae.dimse_timeout = CONNECT_S, ASSOCIATE_S, ANSWER_S
    ae.network_timeout = ANSWER_S
    for abstract, transfers in contexts:
        ae.add_requested_context(abstract, list(transfers))
    secure = None if peer.tls is None else (peer.tls.client(), peer.host)
    try:
        found = ae.associate(
            peer.host, peer.port, ae_title=peer.aet, evt_handlers=list(handlers), tls_args=secure
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise Unavailable(
            "destination_unavailable", f"{peer.name} can't be reached as the configuration says."
        ) from error
    if not found.is_established:
        raise Unavailable("destination_unavailable", f"{peer.name} {_why_not(found, peer, caller)}")
    limit(found)
    try:
        yield found, {str(context.abstract_syntax) for context in found.accepted_contexts}
    except (RuntimeError, ValueError, AttributeError, OSError) as error:
        raise Unavailable(
            "destination_unavailable", f"{peer.name} broke off in the middle of a delivery."
        ) from error
    finally:
        if found.is_established:
            found.release()


def _why_not(found: Association, peer: CStore, caller: str) -> str:
    """Say why there is no association, and what to look at (PS3.8 9.3.4)."""
    if not found.is_rejected:
        return f"can't be reached at {peer.host} port {peer.port}, or speaks no DICOM there. Check that it runs, host, port and TLS."
    answer = found.acceptor.primitive
    reason = None if answer is None else (answer.result_source, answer.diagnostic)
    if reason == (_USER, 3):
        return f"does not know our AE title {caller}: enter it there, with this machine's address."
    if reason == (_USER, 7):
        return f"answers to another AE title than {peer.aet}: correct it in the configuration."
    return "refused the association: it may be too busy, or not allow this machine. Look into its log."
