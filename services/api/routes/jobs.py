"""Jobs: one entry for every kind of work."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from segloop import schemas
from segloop.database import Connection
from segloop.errors import InvalidInput
from segloop.jobs import submit, table
from segloop.jobs.job import ENDED, Job, JobKind, JobState, Priority
from segloop.jobs.statistics import table as statistics
from segloop.masks import request as mask_request
from segloop.projects import table as projects_table
from segloop.training.comparisons import compare
from segloop.training.runs import start as training
from services.api.deps import ActorDep, ConnectionDep, CursorDep, LimitDep, next_cursor

router = APIRouter(tags=["jobs"])

POLL_S = {"queued": "2", "running": "1"}


@router.post("/jobs", status_code=202)
def create_job(
    body: schemas.NewJob,
    conn: ConnectionDep,
    actor: ActorDep,
    response: Response,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> schemas.JobOut:
    """Accept work: 202 with its place, or 200 with a job that is there.

    The same Idempotency-Key gives the same job. The same segmentation (volume, model version, profile, HU offset) is one
    job, whoever asks for it, unless it failed or was cancelled; asked for as stat, one that waits becomes stat.
    """
    project_id = projects_table.get(conn, body.project_id).id
    priority = Priority.STAT if body.parameters.priority == "stat" else Priority.ROUTINE
    known = submit.find_repeat(
        conn,
        project_id=project_id,
        actor=actor.name,
        request=body.model_dump(),
        idempotency_key=idempotency_key,
    )
    if known is not None:
        job, new = known, False
    elif JobKind(body.kind) is JobKind.SEGMENT:
        job, new = mask_request.request(
            conn,
            project_id=project_id,
            actor=actor.name,
            volume_id=body.input.volume_id or "",
            model_version_id=body.parameters.model_version_id,
            priority=priority,
            hu_confirmed=body.parameters.hu_confirmed,
            hu_offset=body.parameters.hu_offset,
            profile=body.parameters.profile,
            again=body.parameters.again,
            request=body.model_dump(),
            idempotency_key=idempotency_key,
        )
    elif JobKind(body.kind) is JobKind.TRAIN:
        job, new = training.start(
            conn,
            project_id=project_id,
            wanted=training.Wanted(body.parameters.training, body.parameters.recipe, "manual", actor.name),
            request=body.model_dump(),
            idempotency_key=idempotency_key,
        )
    elif JobKind(body.kind) is JobKind.EVALUATE:
        job, new = compare.request(
            conn,
            project_id=project_id,
            model_version_id=require_uuid(body.input.model_version_id or ""),
            actor=actor.name,
            body=body.model_dump(),
            idempotency_key=idempotency_key,
        )
    else:
        job, new = submit.submit(
            conn,
            project_id=project_id,
            actor=actor.name,
            kind=JobKind.SELFTEST,
            request=body.model_dump(),
            priority=priority,
            queue=body.parameters.queue,
            idempotency_key=idempotency_key,
        )
    response.status_code = 202 if new else 200
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.headers["Retry-After"] = "1"
    return present(conn, job)


@router.get("/jobs")
def list_jobs(
    conn: ConnectionDep,
    before: CursorDep,
    project_id: str | None = None,
    state: Annotated[JobState | None, Query()] = None,
    volume_id: str | None = None,
    limit: LimitDep = 50,
) -> schemas.Page[schemas.JobOut]:
    """List jobs, newest first."""
    project = projects_table.get(conn, project_id).id if project_id else None
    if volume_id is not None:
        require_uuid(volume_id)
    jobs = table.list_(conn, project_id=project, state=state, volume_id=volume_id, limit=limit, before=before)
    return schemas.Page(
        items=[present(conn, job) for job in jobs],
        next_cursor=next_cursor([(job.created_at, job.id) for job in jobs], limit),
    )


@router.get("/jobs/{job_id}")
def get_job(job_id: str, conn: ConnectionDep, response: Response) -> schemas.JobOut:
    """Return a job with its queue position and time left."""
    job = table.get(conn, require_uuid(job_id))
    if job.state not in ENDED:
        response.headers["Retry-After"] = POLL_S[job.state]
    return present(conn, job)


@router.get("/jobs/{job_id}/history")
def get_history(job_id: str, conn: ConnectionDep) -> schemas.Page[schemas.JobEvent]:
    """Return every change of a job, oldest first."""
    table.get(conn, require_uuid(job_id))
    return schemas.Page(
        items=[schemas.JobEvent.model_validate(row) for row in table.list_events(conn, job_id)]
    )


@router.post("/jobs/{job_id}/cancel")
def cancel_job(job_id: str, conn: ConnectionDep, actor: ActorDep) -> schemas.JobOut:
    """Cancel a job: at once while it waits, between two tiles while it runs."""
    return present(conn, submit.cancel(conn, require_uuid(job_id), actor=actor.name))


@router.post("/jobs/{job_id}/retry", status_code=202)
def retry_job(job_id: str, conn: ConnectionDep, actor: ActorDep) -> schemas.JobOut:
    """Queue a failed job once more."""
    return present(conn, submit.retry(conn, require_uuid(job_id), actor=actor.name))


def require_uuid(value: str) -> str:
    """Return an id that has a UUID's form; anything else names nothing we have.

    Raises:
        InvalidInput: `id_invalid`.
    """
    if not projects_table.is_uuid(value):
        raise InvalidInput("id_invalid", "This id is not valid.")
    return value


def present(conn: Connection, job: Job) -> schemas.JobOut:
    """Return the job as the API shows it; time left is from the median of recent runs of its kind."""
    position = statistics.queue_position(conn, job) if job.state is JobState.QUEUED else None
    typical_s = (
        None
        if job.state in ENDED
        else statistics.typical_run_s(conn, kind=job.kind, project_id=job.project_id)
    )
    left_s = None
    if typical_s is not None:
        left_s = typical_s * position if position else typical_s * (1 - job.progress)
    error = (
        None
        if job.error_code is None
        else schemas.JobError(code=job.error_code, message=job.error_message or "")
    )
    values = {name: getattr(job, name) for name in schemas.JobOut.model_fields if hasattr(job, name)}
    return schemas.JobOut(
        **values,
        queue_position=position,
        time_left_s=left_s,
        error=error,
        cancel_requested=job.cancel_requested_at is not None,
    )
