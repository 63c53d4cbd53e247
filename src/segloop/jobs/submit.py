"""Submit, cancel and retry jobs, each in the caller's transaction."""

import hashlib
import json
from typing import Any

from segloop import logs
from segloop.audit.record import record
from segloop.database import Connection, IntegrityError, constraint_of
from segloop.errors import Conflict, InvalidInput
from segloop.jobs import table
from segloop.jobs.job import ENDED, HELD_QUEUE, QUEUES, TASKS, Job, JobKind, JobState, Priority
from segloop.jobs.requests import table as requests_table
from segloop.jobs.tell import tell


def submit(
    conn: Connection,
    *,
    project_id: str,
    actor: str,
    kind: JobKind,
    request: dict[str, Any],
    priority: Priority = Priority.ROUTINE,
    volume_id: str | None = None,
    model_version_id: str | None = None,
    parameters: dict[str, Any] | None = None,
    idempotency_key: str | None = None,
    natural_key: str | None = None,
    again: bool = False,
    queue: str | None = None,
) -> tuple[Job, bool]:
    """Insert a job, its outbox row and its first event; return (job, whether it is new).

    The same `idempotency_key` of the same actor and project returns the first job. The same `natural_key` in the project
    returns the job that waits, runs or has succeeded, whoever asked for it; one that waits becomes as urgent as is asked
    now. With `again` one that has succeeded doesn't count.

    Raises:
        InvalidInput: `idempotency_key_reused` when the key came before with another `request`.
    """
    known = find_repeat(
        conn, project_id=project_id, actor=actor, request=request, idempotency_key=idempotency_key
    )
    if known is not None:
        return known, False
    if again and natural_key is not None:
        requests_table.release_natural_key(conn, project_id=project_id, natural_key=natural_key)
    values = {
        "project_id": project_id,
        "created_by": actor,
        "kind": kind,
        "queue": queue or QUEUES[kind],
        "priority": int(priority),
        "volume_id": volume_id,
        "model_version_id": model_version_id,
        "parameters": parameters or {},
        "request_id": logs.request_id(),
    }
    job, new = _insert_or_find(conn, values, natural_key)
    if idempotency_key is not None:
        requests_table.insert_request(
            conn,
            project_id=project_id,
            created_by=actor,
            idempotency_key=idempotency_key,
            request_sha256=_digest(request),
            job_id=job.id,
        )
    if new:
        _announce(conn, job, reason="submitted", actor=actor, action="job.submitted")
    elif (sooner := requests_table.raise_priority(conn, job.id, priority=int(priority))) is not None:
        job = sooner
        _announce(conn, job, reason=f"made urgent by {actor}", actor=actor, action="job.made_urgent")
    return job, new


def _insert_or_find(conn: Connection, values: dict[str, Any], natural_key: str | None) -> tuple[Job, bool]:
    # The index decides, not a look beforehand: of two requests at once the second waits for the first's commit. Each
    # further turn means that the job in the way has ended badly since.
    while True:
        job = table.insert_job(conn, natural_key=natural_key, **values)
        if job is not None:
            return job, True
        assert natural_key is not None
        known = requests_table.find_by_natural_key(
            conn, project_id=values["project_id"], natural_key=natural_key
        )
        if known is not None:
            return known, False


def _announce(conn: Connection, job: Job, *, reason: str, actor: str, action: str) -> None:
    """Ring the bell of a job that waits for a worker, and write down why."""
    if job.queue != HELD_QUEUE:
        table.add_to_outbox(conn, job, task=TASKS[job.kind])
    table.add_event(conn, job, reason=reason)
    record(
        conn,
        actor=actor,
        action=action,
        object_type="job",
        object_id=job.id,
        project_id=job.project_id,
        kind=job.kind,
    )


def find_repeat(
    conn: Connection,
    *,
    project_id: str,
    actor: str,
    request: dict[str, Any],
    idempotency_key: str | None,
) -> Job | None:
    """Return the job that the same request with the same key got before.

    It is asked before anything else about the request: what was right then may be refused by now, and who repeats
    a request wants its job.

    Raises:
        InvalidInput: `idempotency_key_reused` when the key came before with another `request`.
    """
    if idempotency_key is None:
        return None
    # Two requests with one key at the same time: the second waits here and then finds the first's job.
    table.lock_name(conn, f"{project_id}/{actor}/{idempotency_key}")
    known = requests_table.find(conn, project_id=project_id, created_by=actor, key=idempotency_key)
    if known is None:
        return None
    if known.request_sha256 != _digest(request):
        raise InvalidInput(
            "idempotency_key_reused",
            "This Idempotency-Key was used for another request; use a new key for new work.",
        )
    return table.get(conn, known.job_id)


def _digest(request: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()


def cancel(conn: Connection, job_id: str, *, actor: str) -> Job:
    """Cancel a queued job at once, or ask a running one to stop; a repeat changes nothing.

    Raises:
        Conflict: `job_ended` when it has succeeded or failed already.
    """
    job = table.get(conn, job_id, lock=True)
    if job.state in ENDED and job.state is not JobState.CANCELLED:
        raise Conflict(
            "job_ended",
            f"This job has {job.state} already; there is nothing to cancel.",
        )
    cancelled = table.cancel_queued(conn, job_id)
    if cancelled is not None:
        tell(conn, cancelled, reason="cancelled while queued")
    elif job.state is JobState.RUNNING:
        table.request_cancel(conn, job_id)
    record(
        conn,
        actor=actor,
        action="job.cancelled",
        object_type="job",
        object_id=job_id,
        project_id=job.project_id,
    )
    return table.get(conn, job_id)


def not_beside(error: IntegrityError) -> Exception:
    """Return what it means to the user that a job can't wait beside another, or the error itself if it is another."""
    constraint = constraint_of(error)
    if constraint == "training_runs_one_active":
        return Conflict(
            "training_active",
            "A training run of this project waits or runs already. Wait for it, or cancel it first.",
        )
    if constraint == "jobs_one_per_work":
        return Conflict(
            "job_replaced",
            "Another job was made for the same work since this one failed. Ask for the work again to get that one.",
        )
    return error


def retry(conn: Connection, job_id: str, *, actor: str) -> Job:
    """Queue a failed job once more.

    Raises:
        Conflict: `job_not_failed`; `job_replaced` when another job does the same work by now; `training_active` when
            another training run of its project is under way.
    """
    known = table.get(conn, job_id)
    if known.queue == HELD_QUEUE:
        raise Conflict(
            "job_never_ran",
            "The CT of this job never came, so there is nothing to try again. Post a new job.",
        )
    if known.kind is JobKind.TRAIN:
        # As at a start: nobody keeps a patient for tests while a run that learns of it becomes active.
        table.lock_training(conn, project_id=known.project_id)
    try:
        with conn.begin_nested():
            job = table.reopen_failed(conn, job_id, request_id=logs.request_id())
    except IntegrityError as error:
        raise not_beside(error) from None
    if job is None:
        raise Conflict("job_not_failed", "Only a failed job can be tried again.")
    _announce(conn, job, reason=f"retried by {actor}", actor=actor, action="job.retried")
    return job
