"""A worker's ear: hears a bell, runs the most urgent job of its queue, and gives work back when it must stop."""

import logging
import socket
import threading

from segloop.database import Engine
from segloop.errors import SegloopError
from segloop.jobs.job import Job
from segloop.jobs.run import Attempt, Finish, Limits, Work, run_next
from segloop.settings import Settings

log = logging.getLogger(__name__)


class Bell:
    """Runs jobs of one queue, one at a time; on shutdown the running one is given back."""

    def __init__(self, engine: Engine, *, queue: str, works: dict[str, Work], settings: Settings) -> None:
        self._engine = engine
        self._queue = queue
        self._works = {kind: self._watched(work) for kind, work in works.items()}
        self._limits = Limits(
            settings.lease_s,
            settings.heartbeat_s,
            settings.max_failures,
            settings.max_interruptions,
        )
        self._worker = f"{queue}@{socket.gethostname()}"
        self._current: Attempt | None = None
        self._closing = threading.Event()

    def ring(self, job_id: str) -> str:
        """Run the most urgent job and say which ended how; Flower shows this line."""
        job = None if self._closing.is_set() else self._run()
        return f"{job_id} nothing to do" if job is None else f"{job.id} {job.state}"

    def _run(self) -> Job | None:
        try:
            return run_next(
                self._engine,
                queue=self._queue,
                works=self._works,
                worker=self._worker,
                limits=self._limits,
            )
        except SegloopError as error:
            # The database is away: the job waits for a later bell.
            log.warning("bell not answered: %s", error.code)
            return None

    def close(self) -> None:
        """Take no more work and stop the present one between two tiles: another worker takes it up."""
        self._closing.set()
        if self._current is not None:
            self._current.stop()

    def _watched(self, work: Work) -> Work:
        def run(attempt: Attempt) -> Finish:
            self._current = attempt
            try:
                return work(attempt)
            finally:
                self._current = None

        return run


def selftest(attempt: Attempt) -> Finish:
    """Prove that this queue's worker takes work and reaches the database."""
    attempt.report("selftest", 0.5)
    return lambda conn: {}
