"""Everything by which an installation knows one patient, followed until nothing new is found.

A setting that was another one at the time (`SEGLOOP_DEFAULT_ISSUER`) gave the same patient another pseudonym, so no single
name finds all of them: volumes lead to patients, these to their volumes' keys, keys to references, and these to more keys.
"""

from dataclasses import dataclass, field
from typing import Any

from segloop.database import Connection
from segloop.identities.store import IdentityStore
from segloop.settings import Settings
from segloop.stack.erasure import table
from segloop.volumes.ingest import pseudonym_of_reference


@dataclass
class Trail:
    """What is known of a patient so far; it only grows."""

    pseudonyms: set[str] = field(default_factory=set)
    references: set[str] = field(default_factory=set)
    source_keys: set[str] = field(default_factory=set)
    patients: dict[str, Any] = field(default_factory=dict)
    """Rows by id."""
    n_closed: int = 0
    """Identities that this installation's key does not open."""

    def size(self) -> tuple[int, ...]:
        """Return how much is known: the same twice means that nothing is to be found any more."""
        return tuple(map(len, (self.pseudonyms, self.references, self.source_keys, self.patients)))


def follow(
    conn: Connection, tables: Any, settings: Settings, identities: IdentityStore | None, trail: Trail
) -> Trail:
    """Return a trail with all that its pseudonyms and references lead to, in all projects."""
    searched: set[str] = set()
    while True:
        before = trail.size()
        _rows(conn, tables, trail)
        if identities is not None:
            known = [one for one in identities.identities(trail.source_keys).values() if one is not None]
            stated = {one.patient_reference(default_issuer=settings.default_issuer) for one in known}
            trail.references |= {one for one in stated if one}
            if trail.references - searched:  # each search opens every identity
                searched = set(trail.references)
                more, trail.n_closed = identities.keys_of(searched, default_issuer=settings.default_issuer)
                trail.source_keys |= more
        trail.pseudonyms |= {pseudonym_of_reference(one, settings.pseudonym_key) for one in trail.references}
        if trail.size() == before:
            return trail


def _rows(conn: Connection, tables: Any, trail: Trail) -> None:
    """Add the patients of the pseudonyms, of the keys and of the series these name, and their volumes' keys."""
    named = table.list_where(conn, tables, "patients", "pseudonym", trail.pseudonyms)
    trail.patients |= {row.id: row for row in named}
    volumes = table.list_where(conn, tables, "volumes", "patient_id", set(trail.patients))
    series = [
        *table.list_where(conn, tables, "received_series", "volume_id", {row.id for row in volumes}),
        *table.list_where(conn, tables, "received_series", "source_key", trail.source_keys),
    ]
    volumes += table.list_where(conn, tables, "volumes", "source_key", trail.source_keys)
    volumes += table.list_where(
        conn, tables, "volumes", "id", {row.volume_id for row in series if row.volume_id}
    )
    trail.source_keys |= {row.source_key for row in (*volumes, *series) if row.source_key}
    owners = table.list_where(conn, tables, "patients", "id", {row.patient_id for row in volumes})
    trail.patients |= {row.id: row for row in owners}
    trail.pseudonyms |= {row.pseudonym for row in owners}
