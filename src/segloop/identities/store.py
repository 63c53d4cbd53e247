"""Keep sealed whose series it is and its headers, and give them back to who may see or write them."""

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256

from segloop import sealing
from segloop.database import Engine, narrow, open_engine, transaction
from segloop.errors import NotFound, Unavailable
from segloop.identities import table
from segloop.identities.match import matches
from segloop.imaging.dicom.identity import Identity
from segloop.settings import Settings

log = logging.getLogger(__name__)
MOST_SEARCHED = 50_000


@dataclass(frozen=True)
class IdentityStore:
    """Sealed with AES-256-GCM under the installation's key; each entry only opens under its own source key."""

    engine: Engine
    key: bytes

    def narrow(self, projects: Collection[str] | None) -> "IdentityStore":
        """Return the store for some projects, or (None) for all."""
        return replace(self, engine=narrow(self.engine, projects))

    def save(
        self,
        headers: bytes | None,
        *,
        identity: Identity | None = None,
        source_key: str,
        project_id: str | None,
        actor: str,
    ) -> None:
        """Keep a zip of headers under a source key that no other has, and whose series it is, in one transaction.

        Of a series that was refused there are no headers. Whose it is may be said again; the last word counts.
        """
        values = {"project_id": project_id, "created_by": actor, "source_key": source_key}
        with transaction(self.engine) as conn:
            if headers is not None:
                table.insert_series(conn, sealed=self.seal(headers, context=source_key), **values)
            if identity is not None:
                text = json.dumps(identity.to_dict()).encode()
                table.save_text(conn, sealed=self.seal(text, context=_of_text(source_key)), **values)

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
        return self.unseal(bytes(row.sealed), context=source_key)

    def identities(self, source_keys: Collection[str]) -> dict[str, Identity | None]:
        """Return whose series these are, by source key; those that nothing is kept of are left out.

        None for one that this installation's key doesn't open, which the log says: the others are shown all the same.
        """
        with transaction(self.engine) as conn:
            rows = table.list_texts(conn, source_keys)
        return {row.source_key: self._open(row.source_key, bytes(row.sealed)) for row in rows}

    def search(self, project_id: str, text: str, *, limit: int) -> tuple[list[str], bool]:
        """Return the source keys of a project's series, newest first, whose patient or accession a text names (see `matches`).

        Also whether these are all: at most `limit`, and of the newest `MOST_SEARCHED`, for sealed texts have no index. One that
        can't be opened is in none of them, so they are not all.
        """
        found, are_all = list[str](), True
        with transaction(self.engine) as conn:
            rows = table.scan_texts(conn, project_id, limit=MOST_SEARCHED + 1)
            for number, row in enumerate(rows):
                if number == MOST_SEARCHED or len(found) == limit:
                    return found, False
                identity = self._open(row.source_key, bytes(row.sealed))
                are_all = are_all and identity is not None
                if identity is not None and matches(identity, text):
                    found.append(row.source_key)
        return found, are_all

    def keys_of(self, references: Collection[str], *, default_issuer: str) -> tuple[set[str], int]:
        """Return the source keys of all series of some patients, in every project and in none, and how many can't be opened.

        Patients are named by their references (`Identity.patient_reference`); one that can't be opened may be of any patient.
        """
        found, n_closed = set[str](), 0
        with transaction(self.engine) as conn:
            for row in table.scan_all_texts(conn):
                identity = self._open(row.source_key, bytes(row.sealed))
                if identity is None:
                    n_closed += 1
                elif identity.patient_reference(default_issuer=default_issuer) in references:
                    found.add(row.source_key)
        return found, n_closed

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """Return bytes encrypted such that only this key opens them, and only for the same context (what and whose they are)."""
        return sealing.seal(self.key, plain, context=context)

    def unseal(self, sealed: bytes, *, context: str) -> bytes:
        """Return what was sealed for this context.

        Raises:
            Unavailable: `identity_sealed` when this installation's key doesn't open it.
        """
        plain = sealing.unseal(self.key, sealed, context=context)
        if plain is None:
            raise Unavailable(
                "identity_sealed",
                "What is kept of this patient can't be opened with this installation's key; tell operations.",
            )
        return plain

    def sweep(self, named: set[str], *, older_than: timedelta) -> int:
        """Erase headers and identities of series that are older and not named; return of how many: an upload may have been cut off after them."""
        with transaction(self.engine) as conn:
            lost = table.list_keys(conn, older_than=older_than) - named
            for source_key in lost:
                table.drop(conn, source_key)
        return len(lost)

    def erase(self, source_key: str) -> None:
        """Delete the headers and whose they are for good; a repeat changes nothing."""
        with transaction(self.engine) as conn:
            table.drop(conn, source_key)

    def _open(self, source_key: str, sealed: bytes) -> Identity | None:
        """Return an identity, or None where it can't be read, which operations must hear of."""
        try:
            return Identity.from_dict(json.loads(self.unseal(sealed, context=_of_text(source_key))))
        except Unavailable:
            log.error("identity of %s can't be opened with this installation's key", source_key)
        except (ValueError, TypeError, AttributeError, KeyError) as error:  # its text may hold a name
            log.error("identity of %s can't be read: %s", source_key, type(error).__name__)
        return None


def open_store(settings: Settings) -> IdentityStore | None:
    """Return the identity store, or None where none is set up."""
    if not settings.identity_database_url or not settings.identity_key:
        return None
    engine = open_engine(settings.identity_database_url, pool_size=2)
    return IdentityStore(engine, sha256(settings.identity_key.encode()).digest())


def _of_text(source_key: str) -> str:
    return f"text/{source_key}"
