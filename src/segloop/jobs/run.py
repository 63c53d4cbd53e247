"""Run jobs in a worker: claim, keep the lease alive, do the work, finish only if the attempt is still ours."""

import errno
import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import copy_context
from dataclasses import dataclass, field

from segloop import logs
from segloop.database import Connection, Engine, transaction
from segloop.errors import SegloopError, Unavailable
from segloop.jobs import outbox, table
from segloop.jobs.job import TASKS, Job, JobState, Priority
from segloop.jobs.tell import tell

log = logging.getLogger(__name__)
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FINISH_AGAIN_S = 1.0


class Stopped(Exception):
    """Raised by the work when `Attempt.stopped()` says so: cancelled, or the lease is lost."""


@dataclass(eq=False)
class Attempt:
    """One running attempt, as the work sees it. Thread-safe: the heartbeat reads what the work reports."""

    job: Job
    stage: str = "claimed"
    progress: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lease_until: float = math.inf
    _since: float = field(default_factory=time.monotonic)

    def report(self, stage: str, progress: float) -> None:
        """Say where the work is; `progress` runs from 0 to 1 over the whole job."""
        if stage != self.stage:
            now = time.monotonic()
            self.timings[self.stage] = round(self.timings.get(self.stage, 0.0) + now - self._since, 3)
            self._since = now
        self.stage, self.progress = stage, min(max(progress, 0.0), 1.0)

    def stopped(self) -> bool:
        """Say whether the work should stop now: check it between tiles and stages."""
        return self._stop.is_set() or self.is_lease_over()

    def is_lease_over(self) -> bool:
        """Say whether nobody renewed the lease in time, by this host's monotonic clock: a heartbeat may hang with its database."""
        return time.monotonic() > self._lease_until

    def renewed(self, at: float, lease_s: float) -> None:
        """Note a lease of `lease_s` seconds that was asked for when `time.monotonic()` was `at`."""
        self._lease_until = at + lease_s

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until the work is told to stop."""
        self._stop.wait(seconds)

    def check(self) -> None:
        """Raise `Stopped` when the work should stop."""
        if self.stopped():
            raise Stopped

    def stop(self) -> None:
        """Tell the work to stop."""
        self._stop.set()


Finish = Callable[[Connection], dict[str, object]]
"""Stores the result's rows in the finishing transaction and returns columns for the job (such as `mask_id`)."""


@dataclass(frozen=True)
class Rest:
    """What is left of a job when the next one may begin, such as to encode and store a mask that is there."""

    do: Callable[[], Finish]


Work = Callable[[Attempt], Finish | Rest]
Beat = Callable[[], None]
"""Called while a job runs, every second or so."""
Aside = Callable[[Callable[[], None]], None]
"""Does something beside whatever its caller does next."""


@dataclass(frozen=True)
class Limits:
    """Seconds and counts the engine runs by."""

    lease_s: float
    heartbeat_s: float
    max_failures: int
    max_interruptions: int


def run_next(
    engine: Engine,
    *,
    queue: str,
    works: dict[str, Work],
    worker: str,
    limits: Limits,
    aside: Aside | None = None,
    least_urgent: Priority = Priority.ROUTINE,
    beat: Beat = lambda: None,
) -> Job | None:
    """Claim the most urgent job of the queue, do it, and return it as it ended; None when nothing as urgent waits or it was fenced.

    The bell's own id is only a hint: whoever hears a bell takes what is most urgent, so a stat
    job overtakes routine ones whose bells rang earlier. Where the work leaves a rest and there is an `aside`, that does it and
    ends the job, and what is returned is the job as it was claimed.
    """
    asked = time.monotonic()
    with transaction(engine) as conn:
        job = table.claim_next(
            conn,
            queue=queue,
            kinds=list(works),
            worker=worker,
            lease_s=limits.lease_s,
            least_urgent=least_urgent,
        )
        if job is None:
            return None
        table.add_event(conn, job, reason="claimed")
    with _bound(job):
        log.info("took a job of kind %s", job.kind)
        attempt = Attempt(job)
        attempt.renewed(asked, limits.lease_s)
        return _run(engine, attempt, works[job.kind], limits, aside, beat)


def _bound(job: Job) -> AbstractContextManager[None]:
    return logs.bind(job_id=job.id, attempt=str(job.attempt), request_id=job.request_id)


def _run(
    engine: Engine, attempt: Attempt, work: Work, limits: Limits, aside: Aside | None, beat: Beat
) -> Job | None:
    done = threading.Event()
    # In a copy of this context: what it logs belongs to the job, too.
    keep = (_keep_alive, engine, attempt, done, limits, beat)
    pulse = threading.Thread(target=copy_context().run, args=keep, daemon=True)
    pulse.start()
    left: Rest | Job | None = None
    try:
        left = _attempt(engine, attempt, limits, lambda: work(attempt))
        if isinstance(left, Rest) and aside is None:
            left = _attempt(engine, attempt, limits, left.do)
    finally:
        if not isinstance(left, Rest):
            done.set()
            pulse.join()
    if not isinstance(left, Rest) or aside is None:
        return left if isinstance(left, Job) else None
    rest = left.do

    def end() -> None:
        with _bound(attempt.job):
            try:
                _attempt(engine, attempt, limits, rest)
            finally:
                done.set()
                pulse.join()

    try:
        aside(end)
    except BaseException:
        done.set()  # nobody will end it: its lease must
        raise
    return attempt.job


def _attempt(
    engine: Engine, attempt: Attempt, limits: Limits, do: Callable[[], Finish | Rest]
) -> Job | Rest | None:
    """Do some of a job's work; return what is left of it, or end the job as it went and return it."""
    try:
        finish = do()
        if isinstance(finish, Rest):
            return finish
        attempt.check()
        attempt.report("storing", 1.0)
        return _finish(engine, attempt, finish)
    except Stopped:
        if attempt.is_lease_over():
            log.warning("stopped: the lease was not renewed in time")
        return _after_stop(engine, attempt, limits)
    except Unavailable as error:
        log.warning("interrupted: %s", error.code)
        return _give_back(engine, attempt, reason=error.code, limits=limits)
    except SegloopError as error:
        return _fail(
            engine,
            attempt,
            code=error.code,
            message=error.message,
            retry=False,
            limits=limits,
        )
    except OSError as error:
        if error.errno not in NO_ROOM:
            return _unexpected(engine, attempt, limits)
        log.warning("interrupted: there is no room on the disk")
        return _give_back(engine, attempt, reason="scratch_full", limits=limits)
    except Exception:
        return _unexpected(engine, attempt, limits)


def _unexpected(engine: Engine, attempt: Attempt, limits: Limits) -> Job | None:
    log.exception("job failed")
    message = "Something unexpected went wrong; the log has the details under this job's id. Try again, or tell operations."
    return _fail(engine, attempt, code="internal", message=message, retry=True, limits=limits)


def _finish(engine: Engine, attempt: Attempt, finish: Finish) -> Job | None:
    """End the job with its result; while the database is away, which is no reason to compute it again, keep trying."""
    while True:
        try:
            with transaction(engine) as conn:
                return _succeed(conn, attempt, finish)
        except Unavailable as error:
            log.warning("the result waits: %s", error.code)
        attempt.wait(FINISH_AGAIN_S)
        attempt.check()


def _succeed(conn: Connection, attempt: Attempt, finish: Finish) -> Job | None:
    # Locking the row first makes the fence exact: nobody can take the attempt away until we commit.
    job = table.get(conn, attempt.job.id, lock=True)
    if job.attempt != attempt.job.attempt or job.state is not JobState.RUNNING:
        log.warning("fenced: attempt %s is no longer the owner", attempt.job.attempt)
        return None
    ended = table.end(
        conn,
        job_id=job.id,
        attempt=job.attempt,
        state=JobState.SUCCEEDED,
        stage="done",
        progress=1.0,
        timings=attempt.timings,
        **finish(conn),
    )
    if ended is not None:
        tell(conn, ended, reason="succeeded")
        log.info("succeeded")
    return ended


def _fail(
    engine: Engine,
    attempt: Attempt,
    *,
    code: str,
    message: str,
    retry: bool,
    limits: Limits,
) -> Job | None:
    job = attempt.job
    failures = job.failures + 1
    with transaction(engine) as conn:
        if retry and failures < limits.max_failures:
            ended = table.requeue(conn, job_id=job.id, attempt=job.attempt, failures=failures)
            if ended is not None:
                table.add_to_outbox(conn, ended, task=TASKS[ended.kind])
        else:
            ended = table.end(
                conn,
                job_id=job.id,
                attempt=job.attempt,
                state=JobState.FAILED,
                stage="failed",
                failures=failures,
                error_code=code,
                error_message=message,
                dead_letter=retry,
                timings=attempt.timings,
            )
        if ended is not None:
            tell(conn, ended, reason=code)
            log.warning("%s: %s", ended.state, code)
    return ended


def _after_stop(engine: Engine, attempt: Attempt, limits: Limits) -> Job | None:
    with transaction(engine) as conn:
        job = table.get(conn, attempt.job.id, lock=True)
        if job.attempt != attempt.job.attempt or job.state is not JobState.RUNNING:
            return None
        return outbox.interrupt(conn, job, reason="stopped", max_interruptions=limits.max_interruptions)


def _give_back(engine: Engine, attempt: Attempt, *, reason: str, limits: Limits) -> Job | None:
    # A dependency is away: wait a little, so that job and worker don't spin.
    attempt.wait(min(5.0, limits.heartbeat_s))
    with transaction(engine) as conn:
        job = table.get(conn, attempt.job.id, lock=True)
        if job.attempt != attempt.job.attempt or job.state is not JobState.RUNNING:
            return None
        return outbox.interrupt(conn, job, reason=reason, max_interruptions=limits.max_interruptions)


def _keep_alive(engine: Engine, attempt: Attempt, done: threading.Event, limits: Limits, beat: Beat) -> None:
    """Renew the lease until the work is done; stop the work when the lease is lost or a person cancels.

    It beats every second at least, so that people see progress and a cancel is heard soon.
    """
    while not done.wait(min(1.0, limits.heartbeat_s)):
        now, state = time.monotonic(), (attempt.stage, attempt.progress)
        try:
            with transaction(engine) as conn:
                row = table.heartbeat(
                    conn,
                    job_id=attempt.job.id,
                    attempt=attempt.job.attempt,
                    lease_s=limits.lease_s,
                    stage=state[0],
                    progress=state[1],
                )
            attempt.renewed(now, limits.lease_s)
            if row is None or row.cancel_requested_at is not None:
                attempt.stop()
        except SegloopError:
            log.warning("heartbeat failed")
        beat()
