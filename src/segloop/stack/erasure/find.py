"""Everything that an installation has of one patient: rows, objects, sealed identities, files in the gateway's spool."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData

from segloop.database import Connection
from segloop.errors import Conflict, InvalidInput, NotFound
from segloop.identities.store import IdentityStore
from segloop.settings import Settings
from segloop.stack.erasure import table
from segloop.storage import ObjectStore
from segloop.volumes.ingest import pseudonym_of_reference
from segloop.volumes.upload import hash_reference

_FOLDERS = {"uploads": "uploads", "drafts": "drafts", "jobs": "jobs"}
"""Where objects lie that no row names: parts, snapshots and entries, and what a worker that was cut off left behind."""


@dataclass(frozen=True)
class Found:
    """What there is of a patient. `versions` learned from them and stay; `spooled` are folders of the gateway here."""

    pseudonym: str
    rows: table.Rows
    source_keys: frozenset[str]
    object_keys: tuple[str, ...]
    versions: tuple[Any, ...]
    spooled: tuple[Path, ...]
    n_closed: int
    """Identities that this installation's key does not open: whose they are nobody can say."""
    tables: MetaData

    def counts(self) -> dict[str, int]:
        """Return how many rows of each table, and how many objects, identities and folders there are."""
        rows = {name: len(rows) for name, rows in sorted(self.rows.items())}
        return rows | {
            "objects": len(self.object_keys),
            "identities": len(self.source_keys),
            "spool folders": len(self.spooled),
        }


def references(patient_id: str, issuer: str, default_issuer: str) -> str:
    """Return a patient's reference as `Identity.patient_reference` makes it."""
    return "|".join(filter(None, ["" if issuer == default_issuer else issuer, patient_id]))


def find(
    conn: Connection,
    settings: Settings,
    store: ObjectStore,
    identities: IdentityStore | None,
    *,
    volume_id: str | None = None,
    reference: str | None = None,
) -> Found:
    """Find a patient by one of their volumes or by their reference (issuer and ID), in all projects.

    Raises:
        NotFound: `patient_unknown`.
        Conflict: `erase_busy` while a job or an upload of theirs is under way.
    """
    tables = table.reflect(conn)
    pseudonym = None if volume_id is None else table.pseudonym_of(conn, tables, volume_id)
    hashed: set[str] = set()
    n_closed = 0
    if reference is not None:
        hashed.add(hash_reference(reference, settings.pseudonym_key))
    if reference is not None and pseudonym is None:
        pseudonym = pseudonym_of_reference(reference, settings.pseudonym_key)
    patients = [] if pseudonym is None else list(table.list_patients(conn, tables, pseudonym))
    rows = table.hanging_on(conn, tables, {"patients": patients})
    keys = {row.source_key for row in rows.get("volumes", []) if row.source_key}
    if identities is not None:
        known = [one for one in identities.identities(keys).values() if one is not None]
        stated = {one.patient_reference(default_issuer=settings.default_issuer) for one in known}
        said = {one for one in {*stated, reference} if one}
        hashed |= {hash_reference(one, settings.pseudonym_key) for one in said}
        if said:
            more, n_closed = identities.keys_of(said, default_issuer=settings.default_issuer)
            keys |= more
    roots = {
        "patients": patients,
        "uploads": _merged(
            table.list_where(conn, tables, "uploads", "patient_reference_hmac", hashed),
            table.list_where(conn, tables, "uploads", "result_id", _ids(rows, "volumes", "masks")),
        ),
        "received_series": table.list_where(conn, tables, "received_series", "source_key", keys),
    }
    rows = table.hanging_on(conn, tables, roots)
    keys |= {row.source_key for row in rows.get("received_series", []) if row.source_key}
    if not rows and not keys:
        raise NotFound(
            "patient_unknown",
            "Nothing of this patient is here. Check the ID, its issuer, or the volume's ID.",
        )
    _require_quiet(rows)
    runs = {row.training_run_id for row in rows.get("training_cases", [])}
    versions = tuple(table.list_versions(conn, tables, runs))
    spooled = [settings.gateway_spool / row.key for row in rows.get("received_series", [])]
    return Found(
        pseudonym or "",
        rows,
        frozenset(keys),
        tuple(_objects(store, rows)),
        versions,
        tuple(folder for folder in spooled if folder.is_dir()),
        n_closed,
        tables,
    )


def _objects(store: ObjectStore, rows: table.Rows) -> list[str]:
    """Return the keys of all objects that lie where a row says, or in a folder that is named after one."""
    folders = {
        str(row.object_key).rpartition("/")[0] + "/"
        for name in ("volumes", "masks", "draft_entries", "upload_parts")
        for row in rows.get(name, [])
        if row.object_key
    }
    folders |= {f"{folder}/{one}/" for name, folder in _FOLDERS.items() for one in _ids(rows, name)}
    ids = _ids(rows, "volumes", "masks", "uploads", "drafts", "jobs")
    # The whole bucket is listed, so that nothing is missed that lies elsewhere and names one of the rows.
    return [
        found.key
        for found in store.list_("")
        if any(found.key.startswith(folder) for folder in folders) or any(one in found.key for one in ids)
    ]


def _require_quiet(rows: table.Rows) -> None:
    busy = [row for row in rows.get("jobs", []) if row.state in ("queued", "running")]
    busy += [row for row in rows.get("uploads", []) if row.state == "open"]
    if busy:
        raise Conflict(
            "erase_busy",
            f"{len(busy)} jobs or uploads of this patient are under way. Cancel them or wait for their end, and try again.",
        )


def _ids(rows: table.Rows, *names: str) -> set[str]:
    return {str(row.id) for name in names for row in rows.get(name, [])}


def _merged(*lists: list[Any]) -> list[Any]:
    return list({row.id: row for rows in lists for row in rows}.values())


def require_one_way(volume_id: str | None, patient_id: str | None) -> None:
    """Check that a patient is named, and in one way.

    Raises:
        InvalidInput: `patient_unclear`.
    """
    if (volume_id is None) == (patient_id is None):
        raise InvalidInput(
            "patient_unclear", "Name the patient by a volume's ID or by a patient ID, not by both."
        )


def remaining(store: ObjectStore, keys: Collection[str]) -> list[str]:
    """Return those of some keys that the store still lists."""
    wanted = set(keys)
    return [found.key for found in store.list_("") if found.key in wanted]
