"""The use case of a job of kind `train`: prepare, train with checkpoints, register the candidate, ask for its comparison."""

import errno
import importlib.metadata
import platform
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from segloop import __version__
from segloop.broker import QueueName
from segloop.database import Connection, Engine, transaction
from segloop.errors import Conflict
from segloop.jobs import table as jobs_table
from segloop.jobs.run import Attempt, Finish, Stopped
from segloop.model_versions import register
from segloop.model_versions import table as model_versions_table
from segloop.nnunet.bundle import BundleInfo, import_model
from segloop.nnunet.workspace import Workspace
from segloop.storage import ObjectStore
from segloop.training.comparisons import compare
from segloop.training.progress import disk_full
from segloop.training.runs import table
from services.trainer.case_cache import CaseCache
from services.trainer.checkpoints import Checkpoints, sweep
from services.trainer.prepare import PREPARING, Preparation
from services.trainer.process import TrainingProcess

TRAINING = (PREPARING[1], 0.97)
POLL_S, REPORT_S = 0.5, 2.0
PAUSE_LIMIT_S = 600.0
"""How long a training gives way to segmentations before it takes its next epoch all the same."""
LIBRARIES = ("torch", "nnunetv2", "batchgenerators", "batchgeneratorsv2", "numpy", "scipy")


@dataclass(frozen=True)
class Trainer:
    """The worker's clients and how it trains."""

    engine: Engine
    store: ObjectStore
    scratch: Path
    device: str
    threads: int
    processes: int
    cache_bytes: int
    environment: Mapping[str, str]

    def work(self, attempt: Attempt) -> Finish:
        """Train the job's run, from its last checkpoint if it has one; returns what registers the candidate."""
        began = time.monotonic()
        with transaction(self.engine) as conn:
            run = table.get_by_job(conn, attempt.job.id)
        # A folder of the attempt's own: a zombie may still write into that of an earlier one.
        folder = self.scratch / "training" / run.id / f"attempt-{attempt.job.attempt}"
        self._tidy(run, attempt.job.attempt)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            return self._train(attempt, run, folder, began)
        except OSError as error:
            raise _known(error) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _tidy(self, run: Row[Any], attempt: int) -> None:
        """Remove what ended runs left in the store, and what killed attempts left here.

        Of this run the last attempt's folder stays: it may still be written.
        """
        sweep(self.engine, self.store)
        for left in (self.scratch / "training").glob("*/attempt-*"):
            if left.parent.name == run.id and int(left.name.removeprefix("attempt-")) >= attempt - 1:
                continue
            with transaction(self.engine) as conn:
                is_over = left.parent.name == run.id or table.is_over(conn, left.parent.name)
            if is_over:
                shutil.rmtree(left, ignore_errors=True)

    def _train(self, attempt: Attempt, run: Row[Any], folder: Path, began: float) -> Finish:
        cache = CaseCache(self.scratch / "training-cases", self.cache_bytes)
        preparation = Preparation(self.engine, self.store, self.scratch, cache, self.device)
        workspace = preparation.workspace(attempt, run, folder)
        checkpoints = Checkpoints(self.engine, self.store, run.id, attempt, folder)
        resumed = checkpoints.restore(run.checkpoint_key)
        found = f"attempt {attempt.job.attempt} on {self.device}" + (
            " goes on where it was" if resumed else ""
        )
        self._report(run, attempt, recipe=workspace.recipe.to_dict(), log=found + "\n")
        process = TrainingProcess(folder, self.device, self.processes, self.threads, self.environment)
        process.start()
        telling = _Telling(self.engine, attempt, run, process, workspace.recipe.n_epochs)
        try:
            self._watch(attempt, telling, checkpoints)
        finally:
            process.stop()
        if attempt.stopped():
            self._after_stop(run, checkpoints)
            raise Stopped
        telling.tell()
        trained = process.require_finished()
        checkpoints.keep()
        attempt.report("registering", TRAINING[1])
        info = import_model(trained, folder / "bundle")
        stored = register.store_bundle(self.store, folder / "bundle")
        details = self._details(run, workspace, info, time.monotonic() - began)

        def finish(conn: Connection) -> dict[str, object]:
            self._register(conn, run, stored, info, details)
            return {}

        return finish

    def _watch(self, attempt: Attempt, telling: "_Telling", checkpoints: Checkpoints) -> None:
        """Report until the process ends or must end; its checkpoints are kept as they appear."""
        process, said, paused_at = telling.process, 0.0, None
        while not process.wait(POLL_S):
            if attempt.stopped():
                return
            now = time.monotonic()
            if now - said < REPORT_S:
                continue
            said = now
            telling.tell()
            if not checkpoints.keep():  # fenced off: another attempt owns the run
                attempt.stop()
                return
            paused_at = self._give_way(process, paused_at, now)

    def _give_way(self, process: TrainingProcess, paused_at: float | None, now: float) -> float | None:
        """Let the training wait between two epochs while something is segmented; return since when, if it does."""
        with transaction(self.engine) as conn:
            busy = jobs_table.is_busy(conn, queue=QueueName.SEGMENTATION)
        process.pause(busy and (paused_at is None or now - paused_at < PAUSE_LIMIT_S))
        return (paused_at or now) if busy else None

    def _after_stop(self, run: Row[Any], checkpoints: Checkpoints) -> None:
        """Keep the state for the next attempt, unless a person cancelled the run for good."""
        with transaction(self.engine) as conn:
            cancelled = table.get(conn, run.id).cancel_requested_at is not None
        if cancelled:
            checkpoints.forget()
        else:
            checkpoints.keep()

    def _report(self, run: Row[Any], attempt: Attempt, **values: Any) -> None:
        with transaction(self.engine) as conn:
            table.report(conn, run.id, attempt=attempt.job.attempt, **values)

    def _details(
        self, run: Row[Any], workspace: Workspace, info: BundleInfo, seconds: float
    ) -> dict[str, Any]:
        return {
            "configuration": info.configuration,
            "folds": info.folds,
            "training": {
                "run_id": run.id,
                "kind": run.kind,
                "recipe": workspace.recipe.to_dict(),
                "device": self.device,
                "processes": self.processes,
                "last_attempt_s": round(seconds, 1),
                "code_version": __version__,
                "python": platform.python_version(),
                "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
            },
        }

    def _register(
        self,
        conn: Connection,
        run: Row[Any],
        stored: register.StoredBundle,
        info: BundleInfo,
        details: dict[str, Any],
    ) -> None:
        """Insert the candidate, name it in the run, and ask for its comparison: all with the job's end, or nothing."""
        parent = None if run.parent_id is None else model_versions_table.get(conn, run.parent_id)
        what = "quick tune" if run.kind == "quick_tune" else "full retrain"
        version, new = register.insert(
            conn,
            stored,
            project_id=run.project_id,
            name=what if parent is None else f"{what} of v{parent.number}",
            labels=info.labels,
            orientation=info.orientation,
            card="",
            details=details,
            actor=run.created_by,
            parent_id=run.parent_id,
        )
        if not new:
            raise Conflict(
                "training_gave_nothing_new",
                f"The training gave exactly version v{version.number} again. Submit more feedback, or change the recipe.",
            )
        table.set_version(conn, run.id, version.id)
        compare.request(
            conn,
            project_id=run.project_id,
            model_version_id=version.id,
            actor=run.created_by,
            body={"kind": "evaluate", "training_run_id": run.id},
        )


@dataclass
class _Telling:
    """Brings what the training says of itself into the run's row."""

    engine: Engine
    attempt: Attempt
    run: Row[Any]
    process: TrainingProcess
    n_epochs: int
    n_told: int | None = None

    def tell(self) -> None:
        """Store epochs and heartbeat; epochs that an earlier attempt told are not logged again."""
        epochs, beat = self.process.epochs(), self.process.heartbeat()
        if self.n_told is None:
            self.n_told = min(len(self.run.epochs), len(epochs))
        log = "".join(f"{_line(record)}\n" for record in epochs[self.n_told :])
        self.n_told = len(epochs)
        with transaction(self.engine) as conn:
            table.report(
                conn, self.run.id, attempt=self.attempt.job.attempt, epochs=epochs, heartbeat=beat, log=log
            )
        if beat:
            low, high = TRAINING
            share = min(1.0, beat["iteration"] / max(1, beat["n_iterations"]))
            epoch = min(int(beat["epoch"]) + 1, self.n_epochs)
            self.attempt.report(f"training, epoch {epoch} of {self.n_epochs}", low + (high - low) * share)


def _line(record: dict[str, Any]) -> str:
    """Return an epoch in one line of the log."""
    dice = ", ".join(f"{name} {value:.3f}" for name, value in record["dice"].items() if value is not None)
    return (
        f"epoch {record['epoch'] + 1} of {record['n_epochs']}: loss {record['train_loss']:.4f}, validation "
        f"{record['validation_loss']:.4f}; Dice {dice or 'of no label'}; {record['seconds']:.1f} s"
    )


def _known(error: OSError) -> Exception:
    """Return what a full disk means to the user, or the error itself."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    return disk_full()
