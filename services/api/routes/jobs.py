"""Jobs: one entry for every kind of work."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from starlette.concurrency import run_in_threadpool

from segloop import schemas
from segloop.accounts.actor import Actor
from segloop.accounts.roles import Role
from segloop.database import Connection, transaction
from segloop.jobs import submit, table
from segloop.jobs.job import ENDED, JobKind, JobState
from segloop.projects import table as projects_table
from services.api import inputs, objects
from services.api.asked import Asked
from services.api.deps import (
    ActorDep,
    ConnectionDep,
    CursorDep,
    LimitDep,
    PartsDep,
    next_cursor,
    require_uuid,
)
from services.api.job_answer import Answer, answer, present

router = APIRouter(tags=["jobs"])

LONGEST_WAIT_S = 60.0


@router.post("/jobs", status_code=202)
def create_job(
    body: schemas.NewJob,
    parts: PartsDep,
    actor: ActorDep,
    response: Response,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> schemas.JobOut:
    """Accept work: 202 with its place, or 200 with a job that is there.

    The same Idempotency-Key gives the same job. The same segmentation (volume, model version, profile, HU offset) is one
    job, whoever asks for it, unless it failed or was cancelled; asked for as stat, one that waits becomes stat.
    """
    with transaction(parts.engine) as conn:
        project_id = _require_named(conn, actor, body)
        asked = Asked(body, project_id, actor.name, idempotency_key)
        job, new = asked.find_repeat(conn), False
    if job is None:
        given = body.input
        if JobKind(body.kind) is JobKind.SEGMENT:
            given = inputs.prepare(parts, given, project_id=project_id, actor=actor.name)
        with transaction(parts.engine) as conn:
            job, new = asked.submit(conn, parts, given)
    with transaction(parts.engine) as conn:
        shown = present(conn, job)
    response.status_code = 202 if new else 200
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.headers["Retry-After"] = "1"
    return shown


@router.get("/jobs")
def list_jobs(
    conn: ConnectionDep,
    actor: ActorDep,
    before: CursorDep,
    project_id: str | None = None,
    state: Annotated[JobState | None, Query()] = None,
    volume_id: str | None = None,
    limit: LimitDep = 50,
) -> schemas.Page[schemas.JobOut]:
    """List jobs, newest first: of a project, or of all that you have a role in."""
    project = objects.require(conn, actor, "project", project_id, Role.VIEWER) if project_id else None
    if volume_id is not None:
        require_uuid(volume_id)
    jobs = table.list_(
        conn,
        project_ids=actor.projects if project is None else {project},
        state=state,
        volume_id=volume_id,
        limit=limit,
        before=before,
    )
    return schemas.Page(
        items=[present(conn, job) for job in jobs],
        next_cursor=next_cursor([(job.created_at, job.id) for job in jobs], limit),
    )


@router.get(
    "/jobs/{job_id}",
    response_model=schemas.JobOut,
    responses={304: {"description": "The job is as the ETag in If-None-Match says"}},
)
async def get_job(
    job_id: str,
    parts: PartsDep,
    actor: ActorDep,
    wait: Annotated[
        float,
        Query(
            ge=0,
            le=LONGEST_WAIT_S,
            description="Seconds to wait for a change of the job. With If-None-Match: for a change from what that names.",
        ),
    ] = 0,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Return a job with its queue position and time left; 304 when it is as If-None-Match says.

    With `wait` the answer comes as soon as its state, stage or progress changes, or when the time is over.
    """

    def look() -> Answer:
        with transaction(parts.engine) as conn:
            return answer(conn, table.get(conn, require_uuid(job_id)))

    # Not `def` like the other routes: whoever waits would hold one of the few threads.
    found = await run_in_threadpool(look)
    is_news = if_none_match is not None and found.is_news(if_none_match)
    if wait and not is_news and found.job.state not in ENDED:
        await parts.watcher.wait(found.job, wait)
        found = await run_in_threadpool(look)
    return found.response(if_none_match)


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
    _require_kind(conn, actor, job_id)
    return present(conn, submit.cancel(conn, job_id, actor=actor.name))


@router.post("/jobs/{job_id}/retry", status_code=202)
def retry_job(job_id: str, conn: ConnectionDep, actor: ActorDep) -> schemas.JobOut:
    """Queue a failed job once more."""
    _require_kind(conn, actor, job_id)
    return present(conn, submit.retry(conn, job_id, actor=actor.name))


def _require_named(conn: Connection, actor: Actor, body: schemas.NewJob) -> str:
    """Check that the actor may have this work done on these objects, and return the project's id."""
    role = _role_for(body.kind)
    project_id = objects.require(conn, actor, "project", body.project_id, role)
    given = {
        "volume_id": body.input.volume_id,
        "upload_id": body.input.upload_id,
        "series_id": body.input.received_series_id,
        "model_version_id": body.input.model_version_id or body.parameters.model_version_id,
    }
    for kind, value in given.items():
        if value is not None and projects_table.is_uuid(value):
            objects.require(conn, actor, kind, value, role)
    assert project_id is not None
    return project_id


def _require_kind(conn: Connection, actor: Actor, job_id: str) -> None:
    job = table.get(conn, require_uuid(job_id))
    actor.require(job.project_id, _role_for(job.kind))


def _role_for(kind: str) -> Role:
    return Role.ANNOTATOR if kind == JobKind.SEGMENT else Role.ADMIN
