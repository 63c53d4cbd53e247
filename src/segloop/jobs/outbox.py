"""The relay and the reaper: both are single steps, safe to run twice and beside each other."""

import logging
from collections.abc import Callable

from segloop import logs
from segloop.database import Connection
from segloop.jobs import table
from segloop.jobs.job import TASKS, Job, JobState
from segloop.jobs.tell import tell

log = logging.getLogger(__name__)
BLAMELESS = {"storage_unavailable", "database_unavailable", "scratch_full"}
"""What every job needs: that it is away, or full, says nothing about the job that met it, and is not counted against it."""
Send = Callable[[str, str, str], None]
"""Rings one bell: (task, queue, job_id); raises `Unavailable` when the broker is away."""


def relay_once(conn: Connection, send: Send, *, limit: int = 50) -> int:
    """Ring the waiting bells and return how many.

    The rows are deleted in the transaction that sends them: a crash in between rings again
    (at least once), and a broker that is away rolls the deletion back.
    """
    rows = table.take_outbox(conn, limit=limit)
    for row in sorted(rows, key=lambda row: (row.priority, row.id)):
        with logs.bind(job_id=row.job_id, request_id=row.request_id):
            send(row.task, row.queue, row.job_id)
            log.info("rang for a job of queue %s", row.queue)
    return len(rows)


def reap_once(conn: Connection, *, resend_after_s: float, max_interruptions: int, limit: int = 100) -> int:
    """Give back jobs whose worker stopped renewing its lease, and ring again for jobs queued too long."""
    expired = table.list_expired(conn, limit=limit)
    for job in expired:
        with logs.bind(job_id=job.id, request_id=job.request_id):
            log.warning("the lease of attempt %d is over", job.attempt)
            interrupt(conn, job, reason="worker_lost", max_interruptions=max_interruptions)
    unrung = table.list_unrung(conn, after_s=resend_after_s, limit=limit)
    for job in unrung:
        table.add_to_outbox(conn, job, task=TASKS[job.kind])
    return len(expired) + len(unrung)


def interrupt(conn: Connection, job: Job, *, reason: str, max_interruptions: int) -> Job | None:
    """Queue a running job again because its worker went away, not because the work failed.

    A job that was asked to stop is cancelled instead; one interrupted too often fails as a dead letter.
    """
    interruptions = job.interruptions + (reason not in BLAMELESS)
    if job.cancel_requested_at is not None:
        ended = table.end(
            conn,
            job_id=job.id,
            attempt=job.attempt,
            state=JobState.CANCELLED,
            stage="cancelled",
        )
    elif interruptions > max_interruptions:
        ended = table.end(
            conn,
            job_id=job.id,
            attempt=job.attempt,
            state=JobState.FAILED,
            stage="failed",
            error_code=reason,
            error_message=f"This job was interrupted too often ({reason}); tell operations, then try again.",
            dead_letter=True,
            interruptions=interruptions,
        )
    else:
        ended = table.requeue(
            conn,
            job_id=job.id,
            attempt=job.attempt,
            interruptions=interruptions,
        )
        if ended is not None:
            table.add_to_outbox(conn, ended, task=TASKS[ended.kind])
    if ended is not None:
        tell(conn, ended, reason=reason)
    return ended
