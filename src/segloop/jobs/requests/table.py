"""SQL of what is asked for twice: by the same request with its Idempotency-Key, or as the same work by its natural key."""

from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    PrimaryKeyConstraint,
    Row,
    Table,
    Text,
    Uuid,
    func,
    insert,
    select,
    update,
)

from segloop.database import Connection, metadata
from segloop.jobs.job import Job
from segloop.jobs.table import COUNTS, job_of, jobs

job_requests = Table(
    "job_requests",
    metadata,
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("request_sha256", Text, nullable=False),
    Column("job_id", Uuid(as_uuid=False), ForeignKey("jobs.id"), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    PrimaryKeyConstraint("project_id", "created_by", "idempotency_key", name="job_requests_pkey"),
)


def insert_request(conn: Connection, **values: object) -> None:
    """Note which job a request with a key got; the caller holds the key's lock."""
    conn.execute(insert(job_requests).values(**values))


def find(conn: Connection, *, project_id: str, created_by: str, key: str) -> Row[Any] | None:
    """Return what an earlier request with this key asked for and got, if there was one."""
    return conn.execute(
        select(job_requests).where(
            job_requests.c.project_id == project_id,
            job_requests.c.created_by == created_by,
            job_requests.c.idempotency_key == key,
        )
    ).one_or_none()


def find_by_natural_key(conn: Connection, *, project_id: str, natural_key: str) -> Job | None:
    """Return the job that does, or did, the work of a natural key, if there is one."""
    row = conn.execute(
        select(jobs).where(jobs.c.project_id == project_id, jobs.c.natural_key == natural_key, COUNTS)
    ).one_or_none()
    return None if row is None else job_of(row)


def release_natural_key(conn: Connection, *, project_id: str, natural_key: str) -> None:
    """Let a job that has succeeded no longer count as the one that does its work."""
    conn.execute(
        update(jobs)
        .where(
            jobs.c.project_id == project_id,
            jobs.c.natural_key == natural_key,
            jobs.c.state == "succeeded",
        )
        .values(natural_key=None)
    )


def raise_priority(conn: Connection, job_id: str, *, priority: int) -> Job | None:
    """Make a job that waits more urgent; None when it doesn't wait, or is as urgent already."""
    row = conn.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == "queued", jobs.c.priority > priority)
        .values(priority=priority)
        .returning(jobs)
    ).one_or_none()
    return None if row is None else job_of(row)
