"""What a browser carries for us: sealed values that tell it nothing, in cookies that its scripts can't read."""

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from segloop import sealing
from segloop.settings import Settings

SESSION, PENDING = "segloop_session", "segloop_sign_in"
"""The cookies of a session, and of a sign-in that is under way at the identity provider."""
LIFETIMES_S = {SESSION: 12 * 3600, PENDING: 600}


@dataclass(frozen=True)
class Session:
    """A signed-in browser's session key of the API, and whether an identity provider gave it."""

    key: str
    by_provider: bool


@dataclass(frozen=True)
class Cookies:
    """Seals values under the pages' key; a value is good for its own cookie, and ends by itself."""

    key: str
    is_secure: bool

    @classmethod
    def of(cls, settings: Settings) -> "Cookies":
        """Return the cookies of an installation, which are Secure where browsers reach it by https."""
        return cls(settings.ticket_key, urlsplit(public_url(settings)).scheme == "https")

    def session(self, given: Mapping[str, str]) -> Session | None:
        """Return the session in a browser's cookies, or None where there is none of ours or it is over."""
        found = self.unseal(SESSION, given.get(self.name(SESSION), ""))
        return Session(str(found[0]), bool(found[1])) if isinstance(found, list) else None

    def name(self, cookie: str) -> str:
        """Return the name a cookie goes by: with the prefix under which only this very host can have set it."""
        return f"__Host-{cookie}" if self.is_secure else cookie

    def seal(self, cookie: str, value: Any, *, now: float | None = None) -> str:
        """Return a cookie's value."""
        ends = (time.time() if now is None else now) + LIFETIMES_S[cookie]
        sealed = sealing.seal(self._cipher_key(), json.dumps([value, ends]).encode(), context=cookie)
        return base64.urlsafe_b64encode(sealed).decode()

    def unseal(self, cookie: str, value: str, *, now: float | None = None) -> Any:
        """Return what was sealed for a cookie, or None where it is not ours or over."""
        try:
            sealed = base64.urlsafe_b64decode(value.encode())
        except ValueError:
            return None
        plain = sealing.unseal(self._cipher_key(), sealed, context=cookie)
        if plain is None:
            return None
        found, ends = json.loads(plain)
        return found if ends > (time.time() if now is None else now) else None

    def set(self, response: Response, cookie: str, value: Any) -> None:
        """Give a browser a cookie.

        Lax, not Strict: who comes back from the provider, or by a link in a mail, comes from another site. What
        changes something is refused by its origin.
        """
        response.set_cookie(
            self.name(cookie),
            self.seal(cookie, value),
            max_age=LIFETIMES_S[cookie],
            path="/",
            secure=self.is_secure,
            httponly=True,
            samesite="lax",
        )

    def drop(self, response: Response, cookie: str) -> None:
        """Take a cookie away."""
        response.delete_cookie(
            self.name(cookie), path="/", secure=self.is_secure, httponly=True, samesite="lax"
        )

    def _cipher_key(self) -> bytes:
        return hashlib.sha256(f"ui-session:{self.key}".encode()).digest()


def public_url(settings: Settings) -> str:
    """Return where browsers reach the pages, without a slash at the end."""
    return (settings.public_url or settings.ui_url).rstrip("/")


def read(header: str) -> dict[str, str]:
    """Return the cookies of a header; none where it can't be read."""
    try:
        return {name: found.value for name, found in SimpleCookie(header).items()}
    except CookieError:
        return {}
