"""Check that a webhook is ours and fresh, as Standard Webhooks say: HMAC-SHA256 over id, time and body."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

TOLERANCE_S = 300
PREFIX = "whsec_"


class WebhookRefused(Exception):
    """This was not sent by who has the secret, or too long ago: answer 400 and do nothing."""


def verify(body: bytes, headers: Mapping[str, str], secret: str) -> dict[str, Any]:
    """Return the event that a request holds: `{type, timestamp, data}`.

    `body` is what arrived, byte by byte. The header `webhook-id` stays the same when an event is sent again: keep those
    you have seen.

    Raises:
        WebhookRefused: a header is missing, the time is more than five minutes off, or no signature fits.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        name, at, signatures = (
            given["webhook-id"],
            int(given["webhook-timestamp"]),
            given["webhook-signature"].split(),
        )
    except (KeyError, ValueError):
        raise WebhookRefused("a header is missing") from None
    if abs(time.time() - at) > TOLERANCE_S:
        raise WebhookRefused("it is too old or from the future")
    key = base64.b64decode(secret.removeprefix(PREFIX))
    mac = hmac.digest(key, f"{name}.{at}.".encode() + body, hashlib.sha256)
    if not any(_fits(signature, mac) for signature in signatures):
        raise WebhookRefused("no signature fits")
    event: dict[str, Any] = json.loads(body)
    return event


def _fits(signature: str, mac: bytes) -> bool:
    version, _, text = signature.partition(",")
    try:
        return version == "v1" and hmac.compare_digest(base64.b64decode(text, validate=True), mac)
    except (binascii.Error, ValueError):
        return False
