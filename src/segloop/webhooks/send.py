"""Send messages to webhooks: signed as Standard Webhooks say, to a checked and pinned address, without redirects."""

import asyncio
import random
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from sqlalchemy import Row
from standardwebhooks import Webhook

from segloop import __version__
from segloop.errors import SegloopError
from segloop.webhooks.address import Target, is_allowed, parse
from segloop.webhooks.manage import Rules

LIMIT_S = 15.0
PAUSES_S = (5.0, 60.0, 600.0, 3600.0, 3 * 3600.0, 8 * 3600.0, 12 * 3600.0)
"""How long it waits after each try but the last: eight tries in a day."""
JITTER = 0.2
GONE = "receiver_gone"
"""The receiver answered 410: as Standard Webhooks say, it wants nothing more, and its webhook is switched off."""


@dataclass(frozen=True)
class Outcome:
    """How a try went: `code` is empty for a success (2xx); `status` is the receiver's, where it answered."""

    status: int | None
    code: str = ""


def pause_s(n_tries: int) -> float | None:
    """Return when to try again after so many tries, some more or less, or None when it is over."""
    if n_tries > len(PAUSES_S):
        return None
    return PAUSES_S[n_tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


async def send_all(
    rules: Rules, deliveries: Sequence[Row[Any]], *, limit_s: float = LIMIT_S
) -> list[Outcome]:
    """Send messages beside each other, each with its limit, and say how each went."""
    return list(await asyncio.gather(*(_within(rules, delivery, limit_s) for delivery in deliveries)))


async def _within(rules: Rules, delivery: Row[Any], limit_s: float) -> Outcome:
    try:
        async with asyncio.timeout(limit_s):
            return await _send(rules, delivery)
    except TimeoutError:
        return Outcome(None, "receiver_too_slow")
    except (httpx.HTTPError, OSError) as error:
        return Outcome(None, "receiver_certificate" if _is_distrust(error) else "receiver_unreachable")
    except SegloopError as error:
        return Outcome(None, error.code)


async def _send(rules: Rules, delivery: Row[Any]) -> Outcome:
    # Checked again, for the list may have become shorter since.
    target = parse(delivery.url, rules.hosts)
    address = await _resolve(target)
    if address is None:
        return Outcome(None, "webhook_address_not_allowed")
    request = _request(target, address, delivery, rules.unseal(delivery.webhook_id, bytes(delivery.secret)))
    # No proxy from the environment, which would resolve the name once more and elsewhere; but the system's certificates,
    # for a hospital has its own.
    trust = ssl.create_default_context()
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, verify=trust) as client:
        answer = await client.send(request, stream=True)
        await answer.aclose()  # its body is nothing to us
    if answer.status_code == httpx.codes.GONE:
        return Outcome(answer.status_code, GONE)
    return Outcome(answer.status_code, "" if answer.is_success else "receiver_refused")


async def _resolve(target: Target) -> str | None:
    """Return the address to connect to; None where one of those that the name stands for is not allowed."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    return addresses[0] if all(is_allowed(address, target) for address in addresses) else None


def _request(target: Target, address: str, delivery: Row[Any], secret: str) -> httpx.Request:
    now, message_id = datetime.now(UTC), f"msg_{delivery.id}"
    headers = {
        "Host": target.authority,
        "Content-Type": "application/json",
        "User-Agent": f"Segloop/{__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, delivery.body),
    }
    # The address that was checked, not the name, which may stand for another by now; the certificate is still the name's.
    host = f"[{address}]" if ":" in address else address
    url = f"{target.scheme}://{host}:{target.port}{target.path}"
    names = {"sni_hostname": target.host}
    return httpx.Request("POST", url, headers=headers, content=delivery.body.encode(), extensions=names)


def _is_distrust(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
