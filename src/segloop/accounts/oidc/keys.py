"""An identity provider's public keys, fetched when they are needed and kept for a while."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from segloop.accounts.oidc import discovery
from segloop.errors import Unavailable

KEPT_S = 3600.0
REFETCH_S = 30.0
"""How often at most keys are fetched because a token names one that isn't known: anybody can name one."""
RETRY_S = 5.0
"""How long a provider that was away isn't asked again, so that its time-out doesn't hold up everybody."""
WAIT_S = 2.0
"""How long somebody waits for another's fetch."""
MAX_BYTES = 2**20
Keys = Sequence[dict[str, Any]]


class KeySet:
    """The keys of one issuer as JWK; safe to use from several threads."""

    def __init__(self, issuer: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer, self._clock = issuer, clock
        self._lock = threading.Lock()
        self._keys: Keys | None = None
        self._fetched_at = self._refetched_at = self._failed_at = float("-inf")

    def find(self, key_id: str | None) -> Keys:
        """Return the keys of an id, or all of them for a token that names none; they are fetched where that may help.

        Raises:
            Unavailable: `provider_unavailable`, `provider_invalid`.
        """
        # Not longer: each who waits holds a thread of the API.
        if not self._lock.acquire(timeout=WAIT_S):
            raise discovery.away()
        try:
            now = self._clock()
            if self._keys is None or now - self._fetched_at > KEPT_S:
                self._fetch(now)
            found = self._named(key_id)
            if not found and now - self._refetched_at > REFETCH_S:
                self._refetched_at = now
                self._fetch(now)
                found = self._named(key_id)
            return found
        finally:
            self._lock.release()

    def _named(self, key_id: str | None) -> Keys:
        keys = self._keys or []
        return [key for key in keys if key_id is None or key.get("kid") == key_id]

    def _fetch(self, now: float) -> None:
        if now - self._failed_at < RETRY_S:
            raise discovery.away()
        try:
            with httpx.Client(timeout=discovery.LIMIT_S) as http:
                provider = discovery.parse(_get(http, discovery.address(self._issuer)), self._issuer)
                self._keys = _parse(_get(http, provider.jwks_uri))
        except Unavailable:
            self._failed_at = self._clock()  # not `now`: what is waited for may take longer than RETRY_S
            raise
        self._fetched_at = now


def _get(http: httpx.Client, url: str) -> Any:
    try:
        with http.stream("GET", url) as answer:
            body = b""
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise discovery.invalid()
    except httpx.HTTPError:
        raise discovery.away() from None
    if answer.status_code >= 500:
        raise discovery.away()
    try:
        return json.loads(body) if answer.status_code == 200 else None
    except ValueError:
        raise discovery.invalid() from None


def _parse(document: Any) -> Keys:
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise discovery.invalid()
    return [key for key in keys if isinstance(key, dict) and key.get("use", "sig") == "sig"]
