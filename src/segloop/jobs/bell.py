"""A worker's ear: hears a bell, runs the most urgent job of its queue, and gives work back when it must stop."""

import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from segloop.broker import QueueName
from segloop.database import Engine
from segloop.errors import SegloopError
from segloop.jobs.job import Job, Priority
from segloop.jobs.run import Attempt, Finish, Limits, Rest, Work, run_next
from segloop.jobs.workers.beat import Beat
from segloop.settings import Settings

log = logging.getLogger(__name__)


class Bell:
    """Runs jobs of one queue, one at a time; while one computes, what is left of the one before it may be done.

    On shutdown what runs is given back.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        queue: str,
        works: dict[str, Work],
        settings: Settings,
        least_urgent: Priority = Priority.ROUTINE,
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._least_urgent = least_urgent
        self._works = {kind: self._watched(work) for kind, work in works.items()}
        self._limits = Limits(
            settings.lease_s,
            settings.heartbeat_s,
            settings.max_failures,
            settings.max_interruptions,
        )
        name = QueueName.SEGMENTATION_STAT if least_urgent is Priority.STAT else queue
        self._worker = f"{name}@{socket.gethostname()}"
        self.beat = Beat(engine, name=self._worker, queue=name, scratch=settings.scratch)
        self._running: set[Attempt] = set()
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="aside")
        self._last: Future[None] | None = None
        self._closing = threading.Event()

    def ring(self, job_id: str) -> str:
        """Run the most urgent job and say which ended how; Flower shows this line."""
        job = None if self._closing.is_set() else self._run()
        return f"{job_id} nothing to do" if job is None else f"{job.id} {job.state}"

    def drain(self) -> int:
        """Run jobs until none is left that this worker takes, wait for the last to be stored, and return how many it began."""
        n = 0
        while not self._closing.is_set() and self._run() is not None:
            n += 1
        if self._last is not None:
            wait([self._last])
        return n

    def _run(self) -> Job | None:
        try:
            return run_next(
                self._engine,
                queue=self._queue,
                works=self._works,
                worker=self._worker,
                limits=self._limits,
                aside=self._beside_the_next,
                least_urgent=self._least_urgent,
                beat=self.beat,
            )
        except SegloopError as error:
            # The database is away: the job waits for a later bell.
            log.warning("bell not answered: %s", error.code)
            return None

    def close(self) -> None:
        """Take no more work and stop the present one between two tiles: another worker takes it up."""
        self._closing.set()
        for attempt in list(self._running):
            attempt.stop()

    def _beside_the_next(self, do: Callable[[], None]) -> None:
        # One at a time: if results came faster than they are stored, they would fill the memory.
        if self._last is not None:
            wait([self._last])
        self._last = self._aside.submit(self._logged, do)

    def _logged(self, do: Callable[[], None]) -> None:
        try:
            do()
        except SegloopError as error:
            # The database is away: the lease ends, and another attempt does it again.
            log.warning("job not ended: %s", error.code)
        except Exception:
            log.exception("job not ended")

    def _watched(self, work: Work) -> Work:
        def run(attempt: Attempt) -> Finish | Rest:
            self._running.add(attempt)
            rest: Rest | None = None
            try:
                found = work(attempt)
                rest = found if isinstance(found, Rest) else None
            finally:
                if rest is None:
                    self._running.discard(attempt)
            return found if rest is None else Rest(lambda do=rest.do: self._end(attempt, do))  # type: ignore[misc]

        return run

    def _end(self, attempt: Attempt, do: Callable[[], Finish]) -> Finish:
        try:
            return do()
        finally:
            self._running.discard(attempt)


def selftest(attempt: Attempt) -> Finish:
    """Prove that this queue's worker takes work and reaches the database."""
    attempt.report("selftest", 0.5)
    return lambda conn: {}
