"""The pages' part of a sign-in at an identity provider: authorization code with PKCE, state and nonce."""

import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx

from segloop.accounts.oidc import discovery
from segloop.accounts.oidc.discovery import Provider
from segloop.errors import InvalidInput, SegloopError, Unauthorized, Unavailable
from segloop.settings import Settings
from ui.cookies import public_url

log = logging.getLogger(__name__)
CALLBACK, SIGNED_OUT = "/sign-in/callback", "/signed-out"
# Some providers write what a scope stands for into the ID token only where it is asked for.
CLAIMS = json.dumps({"id_token": {"email": None, "email_verified": None, "name": None}})


@dataclass(frozen=True)
class Pending:
    """A sign-in that is under way: what its answer has to fit, and where it leads."""

    state: str
    nonce: str
    verifier: str
    to: str


class Oidc:
    """Speaks with one identity provider as one client."""

    def __init__(self, settings: Settings) -> None:
        """Read what the settings say.

        Raises:
            InvalidInput: `settings_invalid`.
        """
        discovery.check_issuer(settings.oidc_issuer, settings.oidc_client_id)
        self._issuer, self._client_id = settings.oidc_issuer, settings.oidc_client_id
        self._secret, self._scopes = _secret(settings), settings.oidc_scopes
        self._url = public_url(settings)
        self._known: Provider | None = None

    async def start(self, to: str, *, ask_again: bool = False) -> tuple[str, Pending]:
        """Return (the provider's address to send a browser to, what to keep until it comes back).

        With `ask_again` the provider asks who it is, also whom it knows already.

        Raises:
            Unavailable: `provider_unavailable`, `provider_invalid`.
        """
        provider = await self._ask()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._url + CALLBACK,
            "scope": self._scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        if provider.takes_claims:
            query["claims"] = CLAIMS
        if ask_again:
            query["prompt"] = "login"
        return _with_query(provider.authorization_endpoint, query), Pending(state, nonce, verifier, to)

    async def finish(self, answer: Mapping[str, str], pending: Pending) -> str:
        """Return the ID token for the answer that a browser came back with; it is not checked here, but by the API.

        Raises:
            Unauthorized: `sign_in_unknown`, `sign_in_refused`; Unavailable: `provider_unavailable`, `provider_invalid`.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), pending.state.encode()):
            raise unknown()
        if answer.get("iss", self._issuer) != self._issuer:  # RFC 9207: another provider's answer
            raise unknown()
        if "code" not in answer:
            raise _refused(answer.get("error"))
        provider = self._known or await self._ask()
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "code_verifier": pending.verifier,
            "redirect_uri": self._url + CALLBACK,
        }
        answered, found = await self._call("POST", provider.token_endpoint, **self._signed(provider, form))
        if answered != 200:
            raise _refused(found.get("error"))
        if not isinstance(found.get("id_token"), str):
            raise discovery.invalid()
        return str(found["id_token"])

    async def end(self) -> str | None:
        """Return where a browser signs out of the provider; None where it has no such address or is away."""
        try:
            provider = await self._ask()
        except Unavailable:
            return None
        if provider.end_session_endpoint is None:
            return None
        # Without id_token_hint: the token is not kept, and would be in an address. The provider asks the person instead.
        query = {"client_id": self._client_id, "post_logout_redirect_uri": self._url + SIGNED_OUT}
        return _with_query(provider.end_session_endpoint, query)

    async def _ask(self) -> Provider:
        """Have the provider describe itself: no browser is sent to one that is away."""
        answered, document = await self._call("GET", discovery.address(self._issuer))
        self._known = discovery.parse(document if answered == 200 else None, self._issuer)
        return self._known

    async def _call(self, method: str, url: str, **given: Any) -> tuple[int, dict[str, Any]]:
        """Return status and JSON object of the provider's answer."""
        try:
            async with httpx.AsyncClient(timeout=discovery.LIMIT_S) as http:
                answer = await http.request(method, url, **given)
        except httpx.HTTPError:
            raise discovery.away() from None
        if answer.status_code >= 500:
            raise discovery.away()
        try:
            found = answer.json()
        except ValueError:
            raise discovery.invalid() from None
        return answer.status_code, found if isinstance(found, dict) else {}

    def _signed(self, provider: Provider, form: dict[str, str]) -> dict[str, Any]:
        """Return a request of this client in the way that the provider takes its secret; a public one only says its name."""
        if not self._secret:
            return {"data": form | {"client_id": self._client_id}}
        if provider.takes_secret_in_body:
            return {"data": form | {"client_id": self._client_id, "client_secret": self._secret}}
        # RFC 6749, 2.3.1: both are encoded as in a form first.
        return {"data": form, "auth": (quote_plus(self._client_id), quote_plus(self._secret))}


def unknown() -> SegloopError:
    """Return the error for an answer that nobody here asked for."""
    return Unauthorized(
        "sign_in_unknown",
        "This sign-in was not begun in this browser, or took longer than ten minutes. Sign in again.",
    )


def _refused(code: object) -> SegloopError:
    name = code if isinstance(code, str) and re.fullmatch("[a-z_]{1,60}", code) else "error"
    log.warning("the identity provider refused a sign-in: %s", name)
    return Unauthorized(
        "sign_in_refused",
        f"The identity provider did not sign you in ({name}). Try again; if it stays, tell whoever runs this installation.",
    )


def _challenge(verifier: str) -> str:
    """Return the PKCE challenge of a verifier (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _with_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def _secret(settings: Settings) -> str:
    if not settings.oidc_client_secret_file:
        return settings.oidc_client_secret
    try:
        return Path(settings.oidc_client_secret_file).read_text().strip()
    except OSError:
        raise InvalidInput(
            "settings_invalid", "The file that SEGLOOP_OIDC_CLIENT_SECRET_FILE names can't be read."
        ) from None
