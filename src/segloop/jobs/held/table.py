"""SQL of held jobs: queued, on no queue that a worker serves, until their CT is here or it is known that it won't come."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ForeignKey, Row, Table, Uuid, func, insert, select, update

from segloop.database import Connection, IntegrityError, constraint_of, metadata
from segloop.jobs.job import HELD_QUEUE, Job, JobState
from segloop.jobs.table import job_of, jobs

_now = func.clock_timestamp()

held_jobs = Table(
    "held_jobs",
    metadata,
    Column("job_id", Uuid(as_uuid=False), ForeignKey("jobs.id"), primary_key=True),
    # What brings the volume where no order does: the report of a series that a gateway has.
    Column("received_series_id", Uuid(as_uuid=False), ForeignKey("received_series.id"), index=True),
    # The job that does the same work already, of which this one takes the result.
    Column("follows_job_id", Uuid(as_uuid=False), ForeignKey("jobs.id")),
)
_is_held = (jobs.c.state == "queued") & (jobs.c.queue == HELD_QUEUE)


def insert_held(conn: Connection, *, job_id: str, received_series_id: str | None) -> None:
    """Note what a held job waits for."""
    conn.execute(insert(held_jobs).values(job_id=job_id, received_series_id=received_series_id))


def find_held(conn: Connection, job_id: str) -> Job | None:
    """Lock and return a job if it is held still."""
    row = conn.execute(select(jobs).where(jobs.c.id == job_id, _is_held).with_for_update()).one_or_none()
    return None if row is None else job_of(row)


def list_waiting(conn: Connection, *, received_series_id: str) -> list[str]:
    """Return the held jobs that wait for a received series."""
    query = (
        select(held_jobs.c.job_id)
        .join(jobs, jobs.c.id == held_jobs.c.job_id)
        .where(held_jobs.c.received_series_id == received_series_id, _is_held)
    )
    return [str(job_id) for job_id in conn.execute(query).scalars()]


def move_waiting(conn: Connection, *, from_series: Sequence[str], to_series: str) -> None:
    """Have the held jobs that wait for some received series wait for another one."""
    held = select(jobs.c.id).where(_is_held)
    conn.execute(
        update(held_jobs)
        .where(held_jobs.c.received_series_id.in_(from_series), held_jobs.c.job_id.in_(held))
        .values(received_series_id=to_series)
    )


def wait_for_series(conn: Connection, job_id: str, *, received_series_id: str) -> None:
    """Have a held job that waits for a received series wait for the entry that its gateway follows it with."""
    held = select(jobs.c.id).where(_is_held)
    conn.execute(
        update(held_jobs)
        .where(
            held_jobs.c.job_id == job_id,
            held_jobs.c.received_series_id.is_not(None),
            held_jobs.c.job_id.in_(held),
        )
        .values(received_series_id=received_series_id)
    )


def let_go(conn: Connection, job_id: str, *, volume_id: str, queue: str, natural_key: str) -> Job | None:
    """Put a held job on the queue of its work; None where another job does, or has done, that work."""
    try:
        with conn.begin_nested():
            row = conn.execute(
                update(jobs)
                .where(jobs.c.id == job_id, _is_held)
                .values(
                    volume_id=volume_id,
                    queue=queue,
                    natural_key=natural_key,
                    stage="queued",
                    queued_at=_now,
                )
                .returning(jobs)
            ).one()
    except IntegrityError as error:
        if constraint_of(error) != "jobs_one_per_work":
            raise
        return None
    return job_of(row)


def follow(conn: Connection, job_id: str, *, volume_id: str, other_id: str) -> None:
    """Have a held job wait for the job that does its work."""
    conn.execute(
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(volume_id=volume_id, natural_key=None, stage="waiting for the same work")
    )
    conn.execute(update(held_jobs).where(held_jobs.c.job_id == job_id).values(follows_job_id=other_id))


def list_followers(conn: Connection, *, limit: int) -> Sequence[Row[Any, Any]]:
    """Lock and return (job_id, follows_job_id) of the held jobs whose other job has ended."""
    other = jobs.alias("other")
    return conn.execute(
        select(held_jobs.c.job_id, held_jobs.c.follows_job_id)
        .join(jobs, jobs.c.id == held_jobs.c.job_id)
        .join(other, other.c.id == held_jobs.c.follows_job_id)
        .where(_is_held, other.c.state.in_(("succeeded", "failed", "cancelled")))
        .limit(limit)
        .with_for_update(of=jobs, skip_locked=True)
    ).all()


def end_held(conn: Connection, job_id: str, *, state: JobState, **values: object) -> Job | None:
    """End a held job that no worker ever ran; None where it is held no more."""
    row = conn.execute(
        update(jobs)
        .where(jobs.c.id == job_id, _is_held)
        .values(state=state, stage=str(state), finished_at=_now, **values)
        .returning(jobs)
    ).one_or_none()
    return None if row is None else job_of(row)
