"""Tickets: signed, short-lived, bound to a sign-in, object and scope, so that a browser can read one object."""

import base64
import hashlib
import hmac
import json
import time

from segloop.errors import Unauthorized


def issue(
    *,
    reference: str,
    object_id: str,
    scope: str,
    key: str,
    lifetime_s: int,
    now: float | None = None,
) -> str:
    """Return a ticket `payload.signature` (URL-safe base64, HMAC-SHA256) that ends in `lifetime_s`.

    `reference` is the sign-in that it was issued to (`bearer.reference_of`): the ticket ends with that.
    """
    expires = int((time.time() if now is None else now) + lifetime_s)
    payload = _encode(json.dumps({"r": reference, "o": object_id, "s": scope, "e": expires}).encode())
    return f"{payload}.{_sign(payload, key)}"


def check(ticket: str, *, object_id: str, scope: str, key: str, now: float | None = None) -> str:
    """Return the reference of the sign-in that a ticket was issued to.

    Raises:
        Unauthorized: `ticket_invalid` or `ticket_expired`.
    """
    payload, _, signature = ticket.partition(".")
    invalid = Unauthorized(
        "ticket_invalid",
        "This link is not valid for this object; open it again from Segloop.",
    )
    if not hmac.compare_digest(signature.encode(), _sign(payload, key).encode()):
        raise invalid
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    if claims["o"] != object_id or claims["s"] != scope:
        raise invalid
    if claims["e"] < (time.time() if now is None else now):
        raise Unauthorized("ticket_expired", "This link has expired; open it again from Segloop.")
    return str(claims.get("r", ""))


def _sign(payload: str, key: str) -> str:
    return _encode(hmac.new(key.encode(), payload.encode(), hashlib.sha256).digest())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
