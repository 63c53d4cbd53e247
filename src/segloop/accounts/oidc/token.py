"""Check an ID token (OpenID Connect Core 1.0, 3.1.3.7): whose it is, or a refusal."""

import hmac
import logging
import time
from dataclasses import dataclass
from typing import Any

import jwt

from segloop.accounts.oidc.keys import KeySet
from segloop.errors import Unauthorized

log = logging.getLogger(__name__)
# Signatures by a private key only: with HS* whoever knows the public key could sign, with "none" everybody.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_S = 30
MAX_AGE_S = 600
"""A token signs in soon after it was issued, or never."""
_REQUIRED = ["iss", "sub", "aud", "exp", "iat", "nonce"]


@dataclass(frozen=True)
class Claims:
    """What a provider says of a person; `is_email_verified` is None where it says nothing about that."""

    issuer: str
    subject: str
    email: str
    is_email_verified: bool | None
    name: str


def check(token: str, *, keys: KeySet, issuer: str, client_id: str, nonce: str) -> Claims:
    """Return the claims of an ID token that was issued for us, by this issuer, for this sign-in.

    Raises:
        Unauthorized: `token_invalid`, `token_expired`. Why is in the log, as the name of an error.
        Unavailable: `provider_unavailable`, `provider_invalid`.
    """
    try:
        claims = _decode(token, keys, issuer, client_id)
        if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise jwt.InvalidTokenError("nonce")
        return _read(claims)
    except jwt.ExpiredSignatureError:
        raise Unauthorized("token_expired", "This sign-in took too long. Sign in again.") from None
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        log.warning("an ID token was refused: %s", type(error).__name__)
        raise Unauthorized(
            "token_invalid",
            "What came back from the identity provider is not valid. Sign in again; if it stays, tell whoever runs this "
            "installation.",
        ) from None


def _decode(token: str, keys: KeySet, issuer: str, client_id: str) -> dict[str, Any]:
    header = jwt.get_unverified_header(token)
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise jwt.InvalidAlgorithmError("alg")
    claims: dict[str, Any] = jwt.decode(
        token,
        _key(keys, header.get("kid"), algorithm),
        algorithms=[algorithm],
        audience=client_id,
        issuer=issuer,
        leeway=LEEWAY_S,
        options={"require": _REQUIRED, "enforce_minimum_key_length": True},
    )
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else client_id) != client_id:
        raise jwt.InvalidAudienceError("azp")
    if claims["iat"] < time.time() - MAX_AGE_S - LEEWAY_S:
        raise jwt.ExpiredSignatureError("iat")
    return claims


def _key(keys: KeySet, key_id: object, algorithm: str) -> jwt.PyJWK:
    """Return the key of an id that is of the algorithm's kind; without an id, the only one of that kind."""
    found = []
    for key in keys.find(key_id if isinstance(key_id, str) else None):
        if key.get("alg", algorithm) != algorithm:
            continue
        try:
            found.append(jwt.PyJWK(key, algorithm=algorithm))
        except jwt.PyJWTError:
            continue  # of another kind
    if len(found) != 1:
        raise jwt.InvalidKeyError("kid")
    return found[0]


def _read(claims: dict[str, Any]) -> Claims:
    verified = claims.get("email_verified")
    # Some providers write the word.
    known = {True: True, False: False, "true": True, "false": False}
    # Nobody's names, and none that a database takes.
    if not (str(claims["sub"]) + str(claims.get("email"))).isprintable():
        raise jwt.InvalidTokenError("sub")
    return Claims(
        issuer=str(claims["iss"]),
        subject=str(claims["sub"]),
        email=str(claims.get("email") or "").strip().lower(),
        is_email_verified=None if verified is None else known.get(verified, False),
        name="".join(filter(str.isprintable, str(claims.get("name") or "")))[:200],
    )
