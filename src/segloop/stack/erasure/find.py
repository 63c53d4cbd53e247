"""Everything that an installation has of one patient: rows, objects, sealed identities, files in the gateway's spool."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData

from segloop.database import Connection
from segloop.errors import Conflict, InvalidInput, NotFound
from segloop.identities.store import IdentityStore
from segloop.settings import Settings
from segloop.stack.erasure import table
from segloop.stack.erasure.follow import Trail, follow
from segloop.storage import ObjectStore
from segloop.volumes.upload import hash_reference

_FOLDERS = {"uploads": "uploads", "drafts": "drafts", "jobs": "jobs"}
"""Where objects lie that no row names: parts, snapshots and entries, and what a worker that was cut off left behind."""


@dataclass(frozen=True)
class Found:
    """What there is of a patient. `runs` and `versions` learned from them and stay; `spooled` are folders of the gateway here."""

    rows: table.Rows
    source_keys: frozenset[str]
    object_keys: tuple[str, ...]
    runs: tuple[Any, ...]
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
        Conflict: `erase_busy` while a job or an upload of theirs, or a training with one of their cases, is under way.
    """
    tables = table.reflect(conn)
    trail = Trail()
    if volume_id is not None:
        trail.pseudonyms |= {*filter(None, [table.pseudonym_of(conn, tables, volume_id)])}
    if reference is not None:
        trail.references.add(reference)
    follow(conn, tables, settings, identities, trail)
    patients = list(trail.patients.values())
    rows = table.hanging_on(conn, tables, {"patients": patients})
    hashed = {hash_reference(one, settings.pseudonym_key) for one in trail.references}
    roots = {
        "patients": patients,
        "uploads": _merged(
            table.list_where(conn, tables, "uploads", "patient_reference_hmac", hashed),
            table.list_where(conn, tables, "uploads", "result_id", _ids(rows, "volumes", "masks")),
        ),
        "received_series": table.list_where(conn, tables, "received_series", "source_key", trail.source_keys),
    }
    rows = table.hanging_on(conn, tables, roots)
    if not rows and not trail.source_keys:
        raise NotFound(
            "patient_unknown",
            "Nothing of this patient is here. Check the ID, its issuer, or the volume's ID.",
        )
    run_ids = {row.training_run_id for row in rows.get("training_cases", [])}
    runs = table.list_where(conn, tables, "training_runs", "id", run_ids)
    _require_quiet(rows, table.list_where(conn, tables, "jobs", "id", {run.job_id for run in runs}))
    return Found(
        rows,
        frozenset(trail.source_keys),
        tuple(_objects(store, rows)),
        tuple(sorted(runs, key=lambda run: str(run.id))),
        tuple(table.list_versions(conn, tables, run_ids)),
        tuple(_spooled(settings.gateway_spool, [row.key for row in rows.get("received_series", [])])),
        trail.n_closed,
        tables,
    )


def _spooled(spool: Path, keys: Sequence[str]) -> list[Path]:
    """Return the folders of some series. A key is what a gateway said: none may lead out of the spool, or be all of it."""
    folders = [spool / key for key in keys]
    return [one for one in folders if one.is_dir() and one.resolve().parent == spool.resolve()]


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


def _require_quiet(rows: table.Rows, trainings: Sequence[Any]) -> None:
    """A training that goes on would learn from who is gone, and its version would no longer be told."""
    jobs = {row.id: row for row in (*rows.get("jobs", []), *trainings)}.values()
    busy = [row for row in jobs if row.state in ("queued", "running")]
    busy += [row for row in rows.get("uploads", []) if row.state == "open"]
    if busy:
        raise Conflict(
            "erase_busy",
            f"{len(busy)} jobs, trainings or uploads of this patient are under way. Cancel them or wait for their end, and try again.",
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
