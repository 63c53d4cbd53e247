"""An installation's secrets under a passphrase: scrypt makes the key, AES-256-GCM seals."""

import json
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from segloop.errors import InvalidInput

SHORTEST = 12
_CONTEXT = b"segloop backup keys 1"
_SALT_BYTES, _NONCE_BYTES = 16, 12
_SCRYPT_N = 2**17  # 128 MiB and about half a second for every guess


def seal(secrets: Mapping[str, str], passphrase: str) -> bytes:
    """Return the secrets sealed.

    Raises:
        InvalidInput: `passphrase_short`.
    """
    if len(passphrase) < SHORTEST:
        raise InvalidInput("passphrase_short", f"Choose a passphrase of {SHORTEST} characters or more.")
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    body = json.dumps(dict(secrets)).encode()
    return salt + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, body, _CONTEXT)


def unseal(sealed: bytes, passphrase: str) -> dict[str, str]:
    """Return the secrets.

    Raises:
        InvalidInput: `passphrase_wrong`.
    """
    salt, rest = sealed[:_SALT_BYTES], sealed[_SALT_BYTES:]
    nonce, body = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
    try:
        opened = AESGCM(_key(passphrase, salt)).decrypt(nonce, body, _CONTEXT)
    except (InvalidTag, ValueError):
        raise InvalidInput("passphrase_wrong", "This passphrase does not open the backup's keys.") from None
    secrets: dict[str, str] = json.loads(opened)
    return secrets


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=8, p=1).derive(passphrase.encode())
