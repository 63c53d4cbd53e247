"""Encrypt small things that only this installation may read."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


def seal(key: bytes, plain: bytes, *, context: str) -> bytes:
    """Return bytes encrypted (AES-256-GCM) such that only this key opens them, and only for the same context."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, context.encode())


def unseal(key: bytes, sealed: bytes, *, context: str) -> bytes | None:
    """Return what was sealed for this context, or None where it is of another key or context, or cut off."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError):
        return None
