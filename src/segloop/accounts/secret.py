"""Bearer values `<prefix>_<id>_<secret>`: only a hash of the secret is kept, and the id finds it."""

import hashlib
import hmac
import secrets
import uuid

SECRET_BYTES = 32


def new() -> str:
    """Return a secret of 256 bits: nothing that can be guessed, so a plain SHA-256 of it tells nothing."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def compose(prefix: str, row_id: str, secret: str) -> str:
    """Return the value that is shown once; `row_id` is a UUID."""
    return f"{prefix}_{uuid.UUID(row_id).hex}_{secret}"


def split(prefix: str, value: str) -> tuple[str, str] | None:
    """Return (row id, secret) of a value of this kind, or None."""
    kind, _, rest = value.partition("_")
    found, _, secret = rest.partition("_")
    if kind != prefix or not secret:
        return None
    try:
        return str(uuid.UUID(hex=found)), secret
    except ValueError:
        return None


def matches(secret: str, kept: str) -> bool:
    """Say whether a secret is the one that was kept."""
    return hmac.compare_digest(digest(secret), kept)
