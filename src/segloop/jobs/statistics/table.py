"""SQL that counts and measures jobs: places in queues, usual run times, and what metrics show."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, Uuid, and_, bindparam, case, func, select, tuple_

from segloop.database import Connection
from segloop.jobs.job import Job
from segloop.jobs.table import job_events, jobs, outbox

_now = func.clock_timestamp()


def queue_position(conn: Connection, job: Job) -> int:
    """Return how many jobs of the same queue come before this one, plus one."""
    ahead = and_(
        jobs.c.state == "queued",
        jobs.c.queue == job.queue,
        tuple_(jobs.c.priority, jobs.c.created_at, jobs.c.id)
        < tuple_(
            bindparam(None, job.priority),
            bindparam(None, job.created_at),
            bindparam(None, job.id, Uuid(as_uuid=False)),
        ),
    )
    return int(conn.execute(select(func.count()).select_from(jobs).where(ahead)).scalar_one()) + 1


def typical_run_s(conn: Connection, *, kind: str, project_id: str) -> float | None:
    """Return the median run time of the last 20 successes of a kind in seconds, or None when there is none."""
    recent = (
        select(func.extract("epoch", jobs.c.finished_at - jobs.c.started_at).label("run_s"))
        .where(jobs.c.kind == kind, jobs.c.project_id == project_id, jobs.c.state == "succeeded")
        # Said so that the index skips the many that wait: they sort first as the newest.
        .where(jobs.c.finished_at.is_not(None))
        .order_by(jobs.c.finished_at.desc())
        .limit(20)
        .subquery()
    )
    value = conn.execute(select(func.percentile_cont(0.5).within_group(recent.c.run_s))).scalar_one()
    return None if value is None else float(value)


def count_by_state(conn: Connection) -> Sequence["Row[Any]"]:
    """Return (queue, state, n, oldest_s, n_dead) over all jobs, for metrics."""
    age = func.extract("epoch", _now - func.min(case((jobs.c.state == "queued", jobs.c.created_at))))
    return conn.execute(
        select(
            jobs.c.queue,
            jobs.c.state,
            func.count().label("n"),
            age.label("oldest_s"),
            func.count().filter(jobs.c.dead_letter).label("n_dead"),
        ).group_by(jobs.c.queue, jobs.c.state)
    ).all()


def count_outbox(conn: Connection) -> int:
    """Return how many bells wait to be rung."""
    return int(conn.execute(select(func.count()).select_from(outbox)).scalar_one())


def summarize_ended(conn: Connection, *, within: timedelta) -> Sequence["Row[Any]"]:
    """Return (kind, state, n, p50_s, p95_s) of the jobs that ended lately; run times are of their last attempts."""
    run_s = func.extract("epoch", jobs.c.finished_at - jobs.c.started_at)
    return conn.execute(
        select(
            jobs.c.kind,
            jobs.c.state,
            func.count().label("n"),
            func.percentile_cont(0.5).within_group(run_s).label("p50_s"),
            func.percentile_cont(0.95).within_group(run_s).label("p95_s"),
        )
        .where(jobs.c.finished_at > _now - within)
        .group_by(jobs.c.kind, jobs.c.state)
    ).all()


def count_attempts(conn: Connection, *, within: timedelta) -> tuple[int, int]:
    """Return how many attempts began lately, and how many leases ended because nobody renewed them."""
    row = conn.execute(
        select(
            func.count().filter(job_events.c.reason == "claimed"),
            func.count().filter(job_events.c.reason == "worker_lost"),
        ).where(job_events.c.at > _now - within)
    ).one()
    return int(row[0]), int(row[1])
