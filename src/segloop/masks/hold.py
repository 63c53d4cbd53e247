"""Segmentations asked for before their CT is here: held, let go when it comes, refused when it doesn't."""

from typing import Any

from segloop.database import Connection
from segloop.errors import NotFound, SegloopError
from segloop.jobs import table as jobs_table
from segloop.jobs.held import table
from segloop.jobs.job import HELD_QUEUE, QUEUES, TASKS, Job, JobKind, JobState, Priority
from segloop.jobs.requests import table as requests_table
from segloop.jobs.submit import submit
from segloop.jobs.tell import tell
from segloop.masks.request import name_of, pin, require_hu
from segloop.model_versions.profiles import Profile
from segloop.volumes import table as volumes_table


def hold(
    conn: Connection,
    *,
    project_id: str,
    actor: str,
    reference: str,
    received_series_id: str | None,
    model_version_id: str | None,
    priority: Priority,
    hu_confirmed: bool,
    hu_offset: float | None,
    profile: Profile,
    request: dict[str, Any],
    idempotency_key: str | None,
) -> tuple[Job, bool]:
    """Submit a segmentation of a volume that is still to come; return (job, whether it is new).

    `reference` is a keyed hash of what will come: the same of it by the same version is one job, as with a volume.
    """
    version = pin(conn, project_id=project_id, model_version_id=model_version_id, profile=profile)
    job, new = submit(
        conn,
        project_id=project_id,
        actor=actor,
        kind=JobKind.SEGMENT,
        request=request,
        priority=priority,
        model_version_id=version.id,
        idempotency_key=idempotency_key,
        natural_key=name_of(
            volume_id=reference, model_version_id=version.id, profile=profile, hu_offset=hu_offset
        ),
        queue=HELD_QUEUE,
        parameters={"profile": profile, "hu_confirmed": hu_confirmed, "hu_offset": hu_offset},
    )
    if new:
        table.insert_held(conn, job_id=job.id, received_series_id=received_series_id)
    return job, new


def release(conn: Connection, job_id: str, *, volume_id: str) -> None:
    """Queue a held job for the volume that came; one that was cancelled meanwhile stays so.

    Where another job does the same work, or has done it, this one waits for it and takes its result. A volume that can't
    be segmented as it was asked for ends the job with that reason.
    """
    job = table.find_held(conn, job_id)
    if job is None:
        return
    try:
        volume = volumes_table.get(conn, volume_id)
        if volume.project_id != job.project_id:
            raise NotFound("volume_unknown", "The CT came into another project; tell operations.")
        confirmed, offset = job.parameters["hu_confirmed"], job.parameters["hu_offset"]
        require_hu(volume, hu_confirmed=confirmed, hu_offset=offset)
    except SegloopError as error:
        refuse(conn, job_id, code=error.code, message=error.message)
        return
    assert job.model_version_id is not None
    natural_key = name_of(
        volume_id=volume_id,
        model_version_id=job.model_version_id,
        profile=job.parameters["profile"],
        hu_offset=offset,
    )
    queue = QUEUES[JobKind.SEGMENT]
    while (
        free := table.let_go(conn, job_id, volume_id=volume_id, queue=queue, natural_key=natural_key)
    ) is None:
        other = requests_table.find_by_natural_key(conn, project_id=job.project_id, natural_key=natural_key)
        if other is not None:
            table.follow(conn, job_id, volume_id=volume_id, other_id=other.id)
            return
    jobs_table.add_to_outbox(conn, free, task=TASKS[free.kind])
    tell(conn, free, reason="its CT is here")


def refuse(conn: Connection, job_id: str, *, code: str, message: str) -> None:
    """End a held job whose CT won't come, with the reason; one that is held no more stays as it is."""
    ended = table.end_held(conn, job_id, state=JobState.FAILED, error_code=code, error_message=message)
    if ended is not None:
        tell(conn, ended, reason=code)


def follow_once(conn: Connection, *, limit: int = 100) -> int:
    """Give held jobs the result of the job that did their work, or the work itself where that one ended badly."""
    found = table.list_followers(conn, limit=limit)
    for row in found:
        other = jobs_table.get(conn, row.follows_job_id)
        if other.state is JobState.SUCCEEDED:
            ended = table.end_held(
                conn, row.job_id, state=JobState.SUCCEEDED, mask_id=other.mask_id, progress=1.0
            )
            if ended is not None:
                tell(conn, ended, reason="the same work was done by another job")
        else:
            assert other.volume_id is not None
            release(conn, row.job_id, volume_id=other.volume_id)
    return len(found)
