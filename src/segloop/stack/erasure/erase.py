"""Remove one patient: objects first, then identities, then rows. Broken off at any point, the same command finishes it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from segloop.accounts.actor import LOCAL_ACTOR
from segloop.audit.record import record
from segloop.database import Connection, Engine, narrow, open_engine, transaction
from segloop.errors import Unavailable
from segloop.identities import store as identity_store
from segloop.settings import Settings
from segloop.stack.erasure import find, table
from segloop.storage import ObjectStore, open_store

CASES = "training-cases"
"""The trainer's cache of preprocessed cases below its scratch folder, which no name leads from a patient into."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Erasure:
    """An installation, and who is asked for: a patient by one of their volumes, or by ID and issuer."""

    settings: Settings
    volume_id: str | None = None
    patient_id: str | None = None
    issuer: str = ""

    def run(self, say: Say, *, dry_run: bool) -> find.Found:
        """Say what there is of the patient and which model versions learned from them; then, unless it is a dry run, erase.

        Raises:
            NotFound: `patient_unknown`; Conflict: `erase_busy`; InvalidInput: `patient_unclear`.
            Unavailable: `objects_remain`, or what is away; nothing is lost track of: try again.
        """
        find.require_one_way(self.volume_id, self.patient_id)
        engine = narrow(open_engine(self.settings.owner_database_url, pool_size=1), None)
        identities = identity_store.open_store(self.settings)
        identities = None if identities is None else identities.narrow(None)
        store = _store(self.settings)
        try:
            with transaction(engine) as conn:
                found = find.find(
                    conn,
                    self.settings,
                    store,
                    identities,
                    volume_id=self.volume_id,
                    reference=self._reference(),
                )
            _tell(found, say)
            if not dry_run:
                self._erase(found, engine, store, identities)
                say("Erased. Backups still have it until they are removed: docs/operations.md says how.")
            return found
        finally:
            engine.dispose()
            if identities is not None:
                identities.engine.dispose()

    def _erase(
        self,
        found: find.Found,
        engine: Engine,
        store: ObjectStore,
        identities: identity_store.IdentityStore | None,
    ) -> None:
        self._record(engine, found, "patient.erasing")
        for key in found.object_keys:
            store.delete(key)
        left = find.remaining(store, found.object_keys)
        if left:
            raise Unavailable("objects_remain", f"{len(left)} objects are still in the store. Try again.")
        for folder in found.spooled:
            shutil.rmtree(folder, ignore_errors=True)
        if "training_cases" in found.rows:  # a cache: whatever else was in it is made again
            shutil.rmtree(Path(self.settings.scratch) / CASES, ignore_errors=True)
        if identities is not None:
            for source_key in found.source_keys:
                identities.erase(source_key)
        with transaction(engine) as conn:
            table.remove(conn, found.tables, found.rows)
            _record_in(conn, found, "patient.erased")

    def _record(self, engine: Engine, found: find.Found, action: str) -> None:
        with transaction(engine) as conn:
            _record_in(conn, found, action)

    def _reference(self) -> str | None:
        if self.patient_id is None:
            return None
        return find.references(self.patient_id.strip(), self.issuer.strip(), self.settings.default_issuer)


def _record_in(conn: Connection, found: find.Found, action: str) -> None:
    """Record in each project of the patient what went there, without a word of who they were: rows' ids mean nobody any more."""
    projects = {row.project_id for row in found.rows.get("patients", [])} or {None}
    for project_id in sorted(projects, key=str):
        record(
            conn,
            actor=LOCAL_ACTOR,
            action=action,
            object_type="patient",
            object_id=next(
                (str(r.id) for r in found.rows.get("patients", []) if r.project_id == project_id), None
            ),
            project_id=project_id,
            counts=found.counts(),
            training_run_ids=[str(run.id) for run in found.runs if project_id in (None, run.project_id)],
            model_version_ids=[
                str(version.id) for version in found.versions if project_id in (None, version.project_id)
            ],
        )


def _tell(found: find.Found, say: Say) -> None:
    for name, n in found.counts().items():
        say(f"{n:7,} {name}")
    for run in found.runs:
        made = "" if run.version_id else ", made no version"
        made += " but left a checkpoint" if run.checkpoint_key and not run.version_id else ""
        say(f"Training run {run.id} had cases of this patient, and stays{made}.")
    for version in found.versions:
        say(
            f"Learned from this patient, and stays: {version.name} (version {version.number}, {version.stage}, {version.id})"
        )
    if found.n_closed:
        say(
            f"{found.n_closed} identities can't be opened with this installation's key, and may be of this patient, too."
        )
    if not found.versions:
        say("No model version learned from this patient.")


def _store(settings: Settings) -> ObjectStore:
    return open_store(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        bucket=settings.s3_bucket,
        secure=settings.s3_secure,
    )
