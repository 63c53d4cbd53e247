"""Keep the headers of DICOM series sealed, and give them back to who writes results."""

import os
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from segloop.database import Engine, open_engine, transaction
from segloop.errors import NotFound, Unavailable
from segloop.identities import table
from segloop.settings import Settings

_NONCE_BYTES = 12


@dataclass(frozen=True)
class IdentityStore:
    """Sealed with AES-256-GCM under the installation's key; each entry only opens under its own source key."""

    engine: Engine
    key: bytes

    def save(self, headers: bytes, *, source_key: str, project_id: str, actor: str) -> None:
        """Keep a zip of headers under a source key that nothing else has."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + AESGCM(self.key).encrypt(nonce, headers, source_key.encode())
        with transaction(self.engine) as conn:
            table.insert_series(
                conn, project_id=project_id, created_by=actor, source_key=source_key, sealed=sealed
            )

    def read(self, source_key: str) -> bytes:
        """Return the zip of headers.

        Raises:
            NotFound: `identity_gone` when they were erased.
            Unavailable: `identity_sealed` when this installation's key doesn't open them.
        """
        with transaction(self.engine) as conn:
            row = table.find(conn, source_key)
        if row is None:
            raise NotFound(
                "identity_gone", "The DICOM headers of this CT were erased; upload its series again."
            )
        sealed = bytes(row.sealed)
        try:
            return AESGCM(self.key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], source_key.encode())
        except InvalidTag:
            raise Unavailable(
                "identity_sealed",
                "The DICOM headers of this CT can't be opened with this installation's key; tell operations.",
            ) from None

    def sweep(self, named: set[str], *, older_than: timedelta) -> int:
        """Erase headers that nothing names and that are older; return how many: an upload may have been cut off after them."""
        with transaction(self.engine) as conn:
            lost = table.list_keys(conn, older_than=older_than) - named
            for source_key in lost:
                table.drop(conn, source_key)
        return len(lost)

    def erase(self, source_key: str) -> None:
        """Delete the headers for good; a repeat changes nothing."""
        with transaction(self.engine) as conn:
            table.drop(conn, source_key)


def open_store(settings: Settings) -> IdentityStore | None:
    """Return the identity store, or None where none is set up."""
    if not settings.identity_database_url or not settings.identity_key:
        return None
    engine = open_engine(settings.identity_database_url, pool_size=2)
    return IdentityStore(engine, sha256(settings.identity_key.encode()).digest())
