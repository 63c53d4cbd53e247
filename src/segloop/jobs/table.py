"""SQL of jobs. The row is the truth: every change of state is one conditional UPDATE, on the database's clock."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Row,
    Table,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from segloop.database import Connection, created_columns, id_column, metadata
from segloop.errors import NotFound
from segloop.jobs.job import HELD_QUEUE, Job, JobKind, JobState, Priority, bells_of

_now = func.clock_timestamp()
COUNTS = text("state IN ('queued', 'running', 'succeeded') AND cancel_requested_at IS NULL")
"""Which jobs are the one that does the work of their natural key."""
_HIDDEN = ("queued_at", "natural_key")

jobs = Table(
    "jobs",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("kind", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("stage", Text, nullable=False, server_default="queued"),
    Column("progress", Float, nullable=False, server_default="0"),
    Column("priority", Integer, nullable=False),
    Column("volume_id", Uuid(as_uuid=False), ForeignKey("volumes.id")),
    Column("model_version_id", Uuid(as_uuid=False), ForeignKey("model_versions.id")),
    Column("mask_id", Uuid(as_uuid=False)),
    Column("parameters", JSONB, nullable=False, server_default="{}"),
    Column("timings", JSONB, nullable=False, server_default="{}"),
    Column("natural_key", Text),
    Column("request_id", Text),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("interruptions", Integer, nullable=False, server_default="0"),
    Column("worker", Text),
    Column("lease_expires_at", DateTime(timezone=True)),
    Column("cancel_requested_at", DateTime(timezone=True)),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("dead_letter", Boolean, nullable=False, server_default="false"),
    Column("queued_at", DateTime(timezone=True), nullable=False, server_default=_now),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="state_known"),
    CheckConstraint("(state = 'running') = (lease_expires_at IS NOT NULL)", name="lease_while_running"),
    # Work that ended badly, or that is about to be cancelled, is no reason not to do it again.
    Index("jobs_one_per_work", "project_id", "natural_key", unique=True, postgresql_where=COUNTS),
    Index("jobs_queued", "queue", "priority", "created_at", postgresql_where=text("state = 'queued'")),
    Index("jobs_running", "lease_expires_at", postgresql_where=text("state = 'running'")),
    Index("jobs_by_project", "project_id", "created_at", "id"),
    Index("jobs_by_volume", "volume_id", "created_at"),
    Index("jobs_by_end", "finished_at"),
    Index(
        "training_runs_one_active",
        "project_id",
        unique=True,
        postgresql_where=text("kind = 'train' AND state IN ('queued', 'running')"),
    ),
)

job_events = Table(
    "job_events",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("job_id", Uuid(as_uuid=False), ForeignKey("jobs.id"), nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("worker", Text),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=_now),
    Index("job_events_by_time", "at", postgresql_using="brin"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("job_id", Uuid(as_uuid=False), ForeignKey("jobs.id"), nullable=False),
    Column("task", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("request_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
)


def job_of(row: "Row[Any]") -> Job:
    """Return a row of `jobs` as a job."""
    values = {name: value for name, value in row._mapping.items() if name not in _HIDDEN}
    return Job(**{**values, "kind": JobKind(row.kind), "state": JobState(row.state)})


def insert_job(conn: Connection, **values: object) -> Job | None:
    """Insert a queued job and return it; None where another does the work of its natural key (`jobs_one_per_work`)."""
    row = conn.execute(
        insert(jobs)
        .values(**values)
        .on_conflict_do_nothing(index_elements=[jobs.c.project_id, jobs.c.natural_key], index_where=COUNTS)
        .returning(jobs)
    ).one_or_none()
    return None if row is None else job_of(row)


def add_to_outbox(conn: Connection, job: Job, *, task: str) -> None:
    """Add the bells to ring once the caller's transaction commits."""
    for queue in bells_of(job.queue, job.priority):
        conn.execute(
            insert(outbox).values(
                job_id=job.id, task=task, queue=queue, priority=job.priority, request_id=job.request_id
            )
        )


def add_event(conn: Connection, job: Job, *, reason: str) -> None:
    """Append one line to the job's history."""
    conn.execute(
        insert(job_events).values(
            job_id=job.id, attempt=job.attempt, state=job.state, worker=job.worker, reason=reason
        )
    )


def take_outbox(conn: Connection, *, limit: int) -> Sequence[Any]:
    """Delete and return the next bells; concurrent relays skip each other's rows."""
    chosen = (
        select(outbox.c.id)
        .order_by(outbox.c.priority, outbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return conn.execute(delete(outbox).where(outbox.c.id.in_(chosen)).returning(outbox)).all()


def get(conn: Connection, job_id: str, *, lock: bool = False) -> Job:
    """Return a job.

    Raises:
        NotFound: `job_unknown`.
    """
    query = select(jobs).where(jobs.c.id == job_id)
    row = conn.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound("job_unknown", "There is no such job.")
    return job_of(row)


def list_(
    conn: Connection,
    *,
    project_ids: Collection[str] | None,
    state: str | None,
    volume_id: str | None,
    limit: int,
    before: tuple[datetime, str] | None,
) -> list[Job]:
    """Return jobs, newest first, of some projects or of all (None); `before` is the (created_at, id) of the last one seen."""
    query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
    if project_ids is not None:
        query = query.where(jobs.c.project_id.in_(project_ids))
    if state:
        query = query.where(jobs.c.state == state)
    if volume_id:
        query = query.where(jobs.c.volume_id == volume_id)
    if before:
        query = query.where(tuple_(jobs.c.created_at, jobs.c.id) < before)
    return [job_of(row) for row in conn.execute(query)]


def list_by_ids(conn: Connection, ids: Sequence[str]) -> list[Job]:
    """Return the jobs of these ids, in no order."""
    return [job_of(row) for row in conn.execute(select(jobs).where(jobs.c.id.in_(ids)))]


def list_events(conn: Connection, job_id: str) -> Sequence["Row[Any]"]:
    """Return a job's history, oldest first."""
    return conn.execute(
        select(job_events).where(job_events.c.job_id == job_id).order_by(job_events.c.id)
    ).all()


def claim_next(
    conn: Connection,
    *,
    queue: str,
    kinds: Sequence[str],
    worker: str,
    lease_s: float,
    least_urgent: Priority = Priority.ROUTINE,
) -> Job | None:
    """Take the most urgent queued job of a queue, with a new attempt and a lease; None when none is as urgent as asked."""
    chosen = (
        select(jobs.c.id)
        .where(jobs.c.state == "queued", jobs.c.queue == queue, jobs.c.kind.in_(kinds))
        .where(jobs.c.priority <= int(least_urgent))
        .order_by(jobs.c.priority, jobs.c.created_at, jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = conn.execute(
        update(jobs)
        .where(jobs.c.id == chosen, jobs.c.state == "queued")
        .values(
            state="running",
            stage="claimed",
            progress=0.0,
            timings={},
            attempt=jobs.c.attempt + 1,
            worker=worker,
            lease_expires_at=_lease(lease_s),
            started_at=_now,
        )
        .returning(jobs)
    ).one_or_none()
    return None if row is None else job_of(row)


def _lease(lease_s: float) -> Any:
    return _now + func.make_interval(0, 0, 0, 0, 0, 0, bindparam(None, lease_s))


def heartbeat(
    conn: Connection, *, job_id: str, attempt: int, lease_s: float, stage: str, progress: float
) -> "Row[Any] | None":
    """Renew the lease and report; returns (cancel_requested_at,), or None when the attempt is fenced off."""
    return conn.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == "running", jobs.c.attempt == attempt)
        .values(lease_expires_at=_lease(lease_s), stage=stage, progress=progress)
        .returning(jobs.c.cancel_requested_at)
    ).one_or_none()


def end(conn: Connection, *, job_id: str, attempt: int, state: JobState, **values: object) -> Job | None:
    """Move a running attempt to an ended state; None when a newer attempt owns the row (fenced)."""
    row = conn.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == "running", jobs.c.attempt == attempt)
        .values(state=state, lease_expires_at=None, finished_at=_now, **values)
        .returning(jobs)
    ).one_or_none()
    return None if row is None else job_of(row)


def requeue(conn: Connection, *, job_id: str, attempt: int, **values: object) -> Job | None:
    """Put a running attempt back into the queue; None when it is fenced."""
    row = conn.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == "running", jobs.c.attempt == attempt)
        .values(
            state="queued",
            stage="queued",
            progress=0.0,
            lease_expires_at=None,
            worker=None,
            queued_at=_now,
            **values,
        )
        .returning(jobs)
    ).one_or_none()
    return None if row is None else job_of(row)


def cancel_queued(conn: Connection, job_id: str) -> Job | None:
    """Cancel a job that nobody runs; None when it is not queued."""
    row = conn.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == "queued")
        .values(state="cancelled", stage="cancelled", cancel_requested_at=_now, finished_at=_now)
        .returning(jobs)
    ).one_or_none()
    return None if row is None else job_of(row)


def request_cancel(conn: Connection, job_id: str) -> None:
    """Ask the worker of a running job to stop at its next heartbeat."""
    conn.execute(
        update(jobs).where(jobs.c.id == job_id, jobs.c.state == "running").values(cancel_requested_at=_now)
    )


def reopen_failed(conn: Connection, job_id: str, *, request_id: str | None) -> Job | None:
    """Queue a failed job once more, its failures and an unheard cancel forgotten; None when it has not failed.

    From now on it belongs to the request that asked for that.
    """
    row = conn.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == "failed")
        .values(
            state="queued",
            stage="queued",
            progress=0.0,
            request_id=request_id,
            failures=0,
            interruptions=0,
            cancel_requested_at=None,
            error_code=None,
            error_message=None,
            dead_letter=False,
            finished_at=None,
            worker=None,
            queued_at=_now,
        )
        .returning(jobs)
    ).one_or_none()
    return None if row is None else job_of(row)


def forgive_interruptions(conn: Connection, job_id: str, *, attempt: int) -> None:
    """Count a job's interruptions from zero again, because it got somewhere since the last."""
    conn.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.interruptions > 0)
        .values(interruptions=0)
    )


def is_busy(conn: Connection, *, queue: str) -> bool:
    """Say whether a job of a queue waits or runs."""
    open_jobs = select(jobs.c.id).where(jobs.c.state.in_(["queued", "running"]), jobs.c.queue == queue)
    return conn.execute(open_jobs.limit(1)).one_or_none() is not None


def find_last_evaluation(conn: Connection, *, model_version_id: str) -> Job | None:
    """Return the newest comparison of a model version, whatever became of it."""
    query = select(jobs).where(jobs.c.kind == "evaluate", jobs.c.model_version_id == model_version_id)
    row = conn.execute(query.order_by(jobs.c.created_at.desc()).limit(1)).one_or_none()
    return None if row is None else job_of(row)


def list_expired(conn: Connection, *, limit: int) -> list[Job]:
    """Lock and return running jobs whose lease is over."""
    query = select(jobs).where(jobs.c.state == "running", jobs.c.lease_expires_at < _now)
    return [job_of(row) for row in conn.execute(query.limit(limit).with_for_update(skip_locked=True))]


def list_unrung(conn: Connection, *, after_s: float, limit: int) -> list[Job]:
    """Lock and return jobs queued for longer than `after_s` seconds without a bell waiting, and count them as rung."""
    waiting = select(outbox.c.id).where(outbox.c.job_id == jobs.c.id).exists()
    query = (
        select(jobs.c.id)
        .where(
            jobs.c.state == "queued",
            jobs.c.queue != HELD_QUEUE,
            jobs.c.queued_at < _now - text("make_interval(secs => :s)").bindparams(s=after_s),
        )
        .where(~waiting)
        .order_by(jobs.c.priority, jobs.c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    rows = conn.execute(update(jobs).where(jobs.c.id.in_(query)).values(queued_at=_now).returning(jobs))
    return [job_of(row) for row in rows]


def lock_name(conn: Connection, name: str) -> None:
    """Wait for, and hold until the transaction ends, the advisory lock of a name."""
    conn.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


def lock_training(conn: Connection, *, project_id: str) -> None:
    """Hold what decides who of a project trains and who is tested, until the transaction ends."""
    lock_name(conn, f"training/{project_id}")
