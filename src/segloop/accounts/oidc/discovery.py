"""What an identity provider says of itself (OpenID Connect Discovery 1.0)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from segloop.errors import InvalidInput, Unavailable

LIMIT_S = 5.0
"""How long a provider may take for one answer."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Provider:
    """An identity provider's addresses and habits; `end_session_endpoint` is None where it has no sign-out.

    With `takes_claims` single claims can be asked for in the ID token (OpenID Connect Core 1.0, 5.5).
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None
    takes_secret_in_body: bool
    takes_claims: bool


def check_issuer(issuer: str, client_id: str) -> None:
    """Check what the installation says of its provider.

    Raises:
        InvalidInput: `settings_invalid`.
    """
    if not _is_safe(issuer) or urlsplit(issuer).query or urlsplit(issuer).fragment:
        raise InvalidInput(
            "settings_invalid",
            "SEGLOOP_OIDC_ISSUER must be the provider's issuer, an https address without a query (http only to loopback).",
        )
    if not client_id:
        raise InvalidInput(
            "settings_invalid", "Set SEGLOOP_OIDC_CLIENT_ID, too: what the provider knows Segloop by."
        )


def address(issuer: str) -> str:
    """Return where a provider describes itself."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def parse(document: Any, issuer: str) -> Provider:
    """Return the provider that a description is of, which must be the one that was asked for.

    Raises:
        Unavailable: `provider_invalid`.
    """
    try:
        found = _read(document)
    except (KeyError, TypeError, AttributeError):
        raise invalid() from None
    ends = [found.authorization_endpoint, found.token_endpoint, found.jwks_uri]
    ends += [found.end_session_endpoint] if found.end_session_endpoint else []
    if found.issuer != issuer or not all(_is_safe(end) for end in ends):
        raise invalid()
    return found


def away() -> Unavailable:
    """Return the error for a provider that doesn't answer."""
    return Unavailable(
        "provider_unavailable",
        "The identity provider can't be reached. Try again in a minute; if it stays, tell whoever runs this installation.",
    )


def invalid() -> Unavailable:
    """Return the error for a provider that is another than the settings say, or none."""
    return Unavailable(
        "provider_invalid",
        "What the identity provider says of itself doesn't fit SEGLOOP_OIDC_ISSUER. Tell whoever runs this installation.",
    )


def _read(document: Mapping[str, Any]) -> Provider:
    methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    end = document.get("end_session_endpoint")
    return Provider(
        issuer=str(document["issuer"]),
        authorization_endpoint=str(document["authorization_endpoint"]),
        token_endpoint=str(document["token_endpoint"]),
        jwks_uri=str(document["jwks_uri"]),
        end_session_endpoint=None if end is None else str(end),
        takes_secret_in_body="client_secret_basic" not in methods,
        takes_claims=document.get("claims_parameter_supported") is True,
    )


def _is_safe(url: str) -> bool:
    """Say whether nobody in between could answer for this address: TLS, or this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))
