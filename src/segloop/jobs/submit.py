"""Submit, cancel and retry jobs, each in the caller's transaction."""

import hashlib
import json
from typing import Any

from segloop.audit.record import record
from segloop.database import Connection, IntegrityError, constraint_of
from segloop.errors import Conflict, InvalidInput
from segloop.jobs import table
from segloop.jobs.job import ENDED, QUEUES, TASKS, Job, JobKind, JobState, Priority


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
    queue: str | None = None,
) -> tuple[Job, bool]:
    """Insert a job, its outbox row and its first event; return (job, whether it is new).

    The same `idempotency_key` of the same actor and project returns the first job.

    Raises:
        InvalidInput: `idempotency_key_reused` when the key came before with another `request`.
    """
    known = find_repeat(
        conn, project_id=project_id, actor=actor, request=request, idempotency_key=idempotency_key
    )
    if known is not None:
        return known, False
    job = table.insert_job(
        conn,
        project_id=project_id,
        created_by=actor,
        kind=kind,
        queue=queue or QUEUES[kind],
        priority=int(priority),
        volume_id=volume_id,
        model_version_id=model_version_id,
        parameters=parameters or {},
        idempotency_key=idempotency_key,
        request_sha256=_digest(request),
    )
    table.add_to_outbox(conn, job, task=TASKS[kind])
    table.add_event(conn, job, reason="submitted")
    record(
        conn,
        actor=actor,
        action="job.submitted",
        object_type="job",
        object_id=job.id,
        project_id=project_id,
        kind=kind,
    )
    return job, True


def find_repeat(
    conn: Connection,
    *,
    project_id: str,
    actor: str,
    request: dict[str, Any],
    idempotency_key: str | None,
) -> Job | None:
    """Return the job that the same request with the same key made before.

    It is asked before anything else about the request: what was right then may be refused by now, and who repeats
    a request wants its job.

    Raises:
        InvalidInput: `idempotency_key_reused` when the key came before with another `request`.
    """
    if idempotency_key is None:
        return None
    # Two requests with one key at the same time: the second waits here and then finds the first's job.
    table.lock_name(conn, f"{project_id}/{actor}/{idempotency_key}")
    known = table.find_by_idempotency_key(conn, project_id=project_id, created_by=actor, key=idempotency_key)
    if known is not None and known.request_sha256 != _digest(request):
        raise InvalidInput(
            "idempotency_key_reused",
            "This Idempotency-Key was used for another request; use a new key for new work.",
        )
    return known


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
        table.add_event(conn, cancelled, reason="cancelled while queued")
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


def training_active(error: IntegrityError) -> Exception:
    """Return what breaking `training_runs_one_active` means to the user, or the error itself if it is another."""
    if constraint_of(error) != "training_runs_one_active":
        return error
    return Conflict(
        "training_active",
        "A training run of this project waits or runs already. Wait for it, or cancel it first.",
    )


def retry(conn: Connection, job_id: str, *, actor: str) -> Job:
    """Queue a failed job once more.

    Raises:
        Conflict: `job_not_failed`; `training_active` when another training run of its project is under way.
    """
    known = table.get(conn, job_id)
    if known.kind is JobKind.TRAIN:
        # As at a start: nobody keeps a patient for tests while a run that learns of it becomes active.
        table.lock_training(conn, project_id=known.project_id)
    try:
        with conn.begin_nested():
            job = table.reopen_failed(conn, job_id)
    except IntegrityError as error:
        raise training_active(error) from None
    if job is None:
        raise Conflict("job_not_failed", "Only a failed job can be tried again.")
    table.add_to_outbox(conn, job, task=TASKS[job.kind])
    table.add_event(conn, job, reason=f"retried by {actor}")
    record(
        conn,
        actor=actor,
        action="job.retried",
        object_type="job",
        object_id=job_id,
        project_id=job.project_id,
    )
    return job
