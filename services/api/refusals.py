"""Put on record who was refused: some of each address, so that guessing passwords doesn't fill the record."""

import logging
import threading
import time
from collections import OrderedDict

from fastapi import Request

from segloop.audit.record import record
from segloop.database import transaction
from segloop.errors import Forbidden, SegloopError, Unauthorized

log = logging.getLogger(__name__)
MOST_A_MINUTE = 10
MOST_ADDRESSES = 10_000

_lock = threading.Lock()
_seen: OrderedDict[str, tuple[float, int]] = OrderedDict()


def note(request: Request, error: Exception) -> None:
    """Record a 401 or 403 with the route it was about; what can't be recorded must not keep the answer from going out."""
    if not isinstance(error, Unauthorized | Forbidden):
        return
    address = request.client.host if request.client else ""
    count = _count(address)
    if count > MOST_A_MINUTE:
        return
    # The route's pattern, not the address: that may hold a ticket.
    route = f"{request.scope.get('root_path', '')}{getattr(request.scope.get('route'), 'path', '')}"
    try:
        with transaction(request.app.state.parts.engine) as conn:
            record(
                conn,
                actor=str(request.scope.get("segloop.actor", "anonymous")),
                action="access.refused",
                object_type="route",
                object_id=f"{request.method} {route}",
                code=error.code,
                address=address,
                is_last_told=count == MOST_A_MINUTE,
            )
    except SegloopError as failed:
        log.warning("a refusal was not recorded: %s", failed.code)


def forget() -> None:
    """Begin to count anew."""
    with _lock:
        _seen.clear()


def _count(address: str) -> int:
    """Return which refusal of this address within a minute this is."""
    now = time.monotonic()
    with _lock:
        since, n = _seen.pop(address, (now, 0))
        since, n = (now, 0) if now - since > 60 else (since, n)
        _seen[address] = (since, n + 1)
        while len(_seen) > MOST_ADDRESSES:
            _seen.popitem(last=False)
        return n + 1
