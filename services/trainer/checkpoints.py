"""A run's checkpoints in the object store: the newest one, under a key of its own, named by the run's row."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from segloop.database import Engine, transaction
from segloop.errors import NotFound
from segloop.jobs import table as jobs_table
from segloop.jobs.run import Attempt
from segloop.projects.table import is_uuid
from segloop.storage import ObjectStore
from segloop.training.runs import table

FOLDER = "training"
STATE, EPOCHS = "state.pt", "progress.jsonl"


def sweep(engine: Engine, store: ObjectStore) -> None:
    """Remove what the store holds of runs that can't go on any more, also what no row names; see `table.forget_checkpoints`.

    The store is asked what there is, so whatever a killed trainer left is found by the next, of any project.
    """
    keys = defaultdict(list)
    for item in store.list_(f"{FOLDER}/"):
        keys[item.key.split("/")[1]].append(item.key)
    with transaction(engine) as conn:
        over = table.forget_checkpoints(conn, [run_id for run_id in keys if is_uuid(run_id)])
    for run_id in over:
        for key in keys[run_id]:
            store.delete(key)


@dataclass
class Checkpoints:
    """Keeps what the training saved in `folder` for whoever takes the run up next; object first, row second."""

    engine: Engine
    store: ObjectStore
    run_id: str
    attempt: Attempt
    folder: Path
    _kept: tuple[int, int] | None = field(default=None, init=False)
    _key: str | None = field(default=None, init=False)
    _count: int = field(default=0, init=False)

    def restore(self, key: str | None) -> bool:
        """Fetch the last checkpoint into the folder and return whether there was one."""
        self._key = key
        if key is None:
            return False
        try:
            self.store.fetch(f"{key}/{STATE}", self.folder / STATE)
            self.store.fetch(f"{key}/{EPOCHS}", self.folder / EPOCHS)
        except NotFound:  # cleaned up, or lost with the store: the run begins again
            (self.folder / STATE).unlink(missing_ok=True)
            return False
        self._kept = self._stamp()
        return True

    def keep(self) -> bool:
        """Store a state that is newer than the last one kept; False when the attempt is fenced off.

        A checkpoint that advances forgives the job's earlier interruptions: it is getting somewhere.
        """
        stamp = self._stamp()
        if stamp is None or stamp == self._kept:
            return True
        self._count += 1
        job = self.attempt.job
        key = f"{FOLDER}/{self.run_id}/attempt-{job.attempt}/{self._count}"
        self.store.put_file(f"{key}/{STATE}", self.folder / STATE)
        epochs = self.folder / EPOCHS
        self.store.put_bytes(f"{key}/{EPOCHS}", epochs.read_bytes() if epochs.exists() else b"")
        with transaction(self.engine) as conn:
            if not table.report(conn, self.run_id, attempt=job.attempt, checkpoint_key=key):
                return False
            jobs_table.forgive_interruptions(conn, job.id, attempt=job.attempt)
        old, self._key, self._kept = self._key, key, stamp
        self._delete(old)
        return True

    def forget(self) -> None:
        """Remove what is stored: the run has ended for good."""
        self._delete(self._key)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = (self.folder / STATE).stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size

    def _delete(self, key: str | None) -> None:
        for name in (STATE, EPOCHS) if key else ():
            self.store.delete(f"{key}/{name}")
