"""SQL of training runs and of the cases frozen with each."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Row,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from segloop.database import Connection, created_columns, id_column, metadata
from segloop.errors import NotFound
from segloop.jobs.table import jobs
from segloop.volumes.table import volumes

LOG_LIMIT = 200_000  # characters kept of a run's log, the newest

training_runs = Table(
    "training_runs",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("kind", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("job_id", Uuid(as_uuid=False), ForeignKey("jobs.id"), nullable=False),
    # The version it starts from, or replaces; none for a project's first.
    Column("parent_id", Uuid(as_uuid=False), ForeignKey("model_versions.id")),
    Column("label_set_id", Uuid(as_uuid=False), ForeignKey("label_sets.id"), nullable=False),
    Column("policy", JSONB, nullable=False),
    Column("recipe", JSONB, nullable=False),
    # What the trainer reports.
    Column("epochs", JSONB, nullable=False, server_default="[]"),
    Column("heartbeat", JSONB, nullable=False, server_default="{}"),
    Column("log", Text, nullable=False, server_default=""),
    Column("checkpoint_key", Text),
    Column("checkpoint_at", DateTime(timezone=True)),
    Column("version_id", Uuid(as_uuid=False), ForeignKey("model_versions.id")),
    CheckConstraint("kind IN ('quick_tune', 'full_retrain')", name="kind_known"),
    CheckConstraint("trigger IN ('manual', 'automatic')", name="trigger_known"),
    Index("training_runs_by_project", "project_id", "created_at"),
    Index("training_runs_one_per_job", "job_id", unique=True),
)

training_cases = Table(
    "training_cases",
    metadata,
    Column(
        "training_run_id",
        Uuid(as_uuid=False),
        ForeignKey("training_runs.id"),
        primary_key=True,
    ),
    Column("volume_id", Uuid(as_uuid=False), ForeignKey("volumes.id"), primary_key=True),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    Column("mask_id", Uuid(as_uuid=False), ForeignKey("masks.id"), nullable=False),
    Column("patient_id", Uuid(as_uuid=False), ForeignKey("patients.id"), nullable=False),
    Column("origin", Text, nullable=False),
    Column("reviewed", JSONB, nullable=False),
    Column("hu_offset", Float, nullable=False),
    Column("part", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("is_new", Boolean, nullable=False),
    # For strategies that choose cases: how much it was wanted, and why.
    Column("score", Float),
    Column("score_reason", Text),
    CheckConstraint("origin IN ('accepted', 'corrected', 'ground_truth')", name="origin_known"),
    CheckConstraint("part IN ('training', 'validation', 'test', 'held back')", name="part_known"),
    Index("training_cases_by_patient", "patient_id"),
    Index("training_cases_by_mask", "mask_id"),
)


def insert_run(conn: Connection, **values: object) -> Row[Any]:
    """Insert a run; its job is there already."""
    run = conn.execute(insert(training_runs).values(**values).returning(training_runs.c.id)).scalar_one()
    return get(conn, str(run))


def insert_cases(conn: Connection, rows: Sequence[dict[str, object]]) -> None:
    """Freeze the cases of a run."""
    conn.execute(insert(training_cases), list(rows))


def _with_job() -> Select[Any]:
    columns = [
        jobs.c[name].label(name)
        for name in ("state", "stage", "progress", "attempt", "error_code", "error_message", "started_at")
    ]
    query = select(training_runs, *columns, jobs.c.finished_at, jobs.c.cancel_requested_at, jobs.c.worker)
    return query.join(jobs, jobs.c.id == training_runs.c.job_id)


def get(conn: Connection, run_id: str) -> Row[Any]:
    """Return a run with the state of its job.

    Raises:
        NotFound: `training_run_unknown`.
    """
    row = conn.execute(_with_job().where(training_runs.c.id == run_id)).one_or_none()
    if row is None:
        raise NotFound("training_run_unknown", "There is no such training run.")
    return row


def get_by_job(conn: Connection, job_id: str) -> Row[Any]:
    """Return the run of a job of kind `train`.

    Raises:
        NotFound: `training_run_unknown`.
    """
    row = conn.execute(_with_job().where(training_runs.c.job_id == job_id)).one_or_none()
    if row is None:
        raise NotFound("training_run_unknown", "There is no such training run.")
    return row


def find_by_version(conn: Connection, version_id: str) -> Row[Any] | None:
    """Return the run that made a version; None for one that was imported."""
    query = _with_job().where(training_runs.c.version_id == version_id)
    return conn.execute(query.order_by(training_runs.c.created_at).limit(1)).one_or_none()


def list_(conn: Connection, *, project_id: str, limit: int = 50) -> Sequence[Row[Any]]:
    """Return a project's runs, newest first."""
    query = _with_job().where(training_runs.c.project_id == project_id)
    order = (training_runs.c.created_at.desc(), training_runs.c.id.desc())
    return conn.execute(query.order_by(*order).limit(limit)).all()


def list_cases(conn: Connection, run_id: str) -> Sequence[Row[Any]]:
    """Return the cases of a run with their case references, by volume."""
    return conn.execute(
        select(training_cases, volumes.c.case_reference)
        .join(volumes, volumes.c.id == training_cases.c.volume_id)
        .where(training_cases.c.training_run_id == run_id)
        .order_by(training_cases.c.volume_id)
    ).all()


def list_masks_of_versions(conn: Connection, version_ids: Sequence[str]) -> set[str]:
    """Return the masks that any of these versions learned from or was validated on while it learned."""
    query = (
        select(training_cases.c.mask_id)
        .join(training_runs, training_runs.c.id == training_cases.c.training_run_id)
        .where(
            training_runs.c.version_id.in_(version_ids), training_cases.c.part.in_(["training", "validation"])
        )
    )
    return {str(mask) for mask in conn.execute(query).scalars()}


def list_masks_of_run(conn: Connection, run_id: str) -> set[str]:
    """Return the masks of every case that a run placed."""
    query = select(training_cases.c.mask_id).where(training_cases.c.training_run_id == run_id)
    return {str(mask) for mask in conn.execute(query).scalars()}


def is_over(conn: Connection, run_id: str) -> bool:
    """Say whether a run's job has ended, or there is no such run."""
    query = (
        select(jobs.c.state)
        .join(training_runs, training_runs.c.job_id == jobs.c.id)
        .where(training_runs.c.id == run_id)
    )
    return conn.execute(query).scalar_one_or_none() not in ("queued", "running")


def list_trained_patients(conn: Connection, *, project_id: str) -> set[str]:
    """Return the patients that a registered version learned from or was validated on, or that one is learning from now."""
    query = (
        select(training_cases.c.patient_id)
        .join(training_runs, training_runs.c.id == training_cases.c.training_run_id)
        .join(jobs, jobs.c.id == training_runs.c.job_id)
        .where(
            training_runs.c.project_id == project_id,
            or_(training_runs.c.version_id.is_not(None), jobs.c.state.in_(["queued", "running"])),
            training_cases.c.part.in_(["training", "validation"]),
        )
    )
    return {str(patient) for patient in conn.execute(query).scalars()}


def list_versions_of_patient(conn: Connection, patient_id: str) -> Sequence[str]:
    """Return the ids of the versions trained on a patient, themselves or through one that they were tuned from, oldest first."""
    learned = (
        select(training_runs.c.version_id)
        .join(training_cases, training_cases.c.training_run_id == training_runs.c.id)
        .where(
            training_cases.c.patient_id == patient_id,
            training_cases.c.part == "training",
            training_runs.c.version_id.is_not(None),
        )
        .cte("learned", recursive=True)
    )
    learned = learned.union(
        select(training_runs.c.version_id)
        .join(learned, training_runs.c.parent_id == learned.c.version_id)
        .where(training_runs.c.kind == "quick_tune", training_runs.c.version_id.is_not(None))
    )
    query = (
        select(training_runs.c.version_id)
        .where(training_runs.c.version_id.in_(select(learned.c.version_id)))
        .order_by(training_runs.c.created_at)
    )
    return [str(version_id) for version_id in conn.execute(query).scalars()]


def report(conn: Connection, run_id: str, *, attempt: int, log: str = "", **values: object) -> bool:
    """Store what the trainer reports and add lines to the log; False when the attempt is fenced off.

    The job's row is locked first, so that a zombie changes nothing.
    """
    running = select(jobs.c.id).join(training_runs, training_runs.c.job_id == jobs.c.id)
    mine = and_(training_runs.c.id == run_id, jobs.c.state == "running", jobs.c.attempt == attempt)
    if conn.execute(running.where(mine).with_for_update(of=jobs)).one_or_none() is None:
        return False
    if log:
        values["log"] = func.right(training_runs.c.log + log, LOG_LIMIT)
    if "checkpoint_key" in values:
        values["checkpoint_at"] = func.clock_timestamp()
    conn.execute(update(training_runs).where(training_runs.c.id == run_id).values(**values))
    return True


def set_version(conn: Connection, run_id: str, version_id: str) -> None:
    """Name the candidate that a run made, in the transaction that finishes its job."""
    conn.execute(update(training_runs).where(training_runs.c.id == run_id).values(version_id=version_id))


def forget_checkpoints(conn: Connection, run_ids: Sequence[str]) -> list[str]:
    """Return those of these runs that nothing goes on from, and let their rows name no checkpoint.

    They ended well, were cancelled, or failed before another run of their project gave a version: who tries such a run
    again begins it anew.
    """
    other, others_job = training_runs.alias(), jobs.alias()
    outdated = (
        select(other.c.id)
        .join(others_job, others_job.c.id == other.c.job_id)
        .where(
            other.c.project_id == training_runs.c.project_id,
            other.c.version_id.is_not(None),
            others_job.c.finished_at > jobs.c.finished_at,
        )
    )
    over = or_(
        jobs.c.state.in_(["succeeded", "cancelled"]), and_(jobs.c.state == "failed", outdated.exists())
    )
    forgotten = conn.execute(
        update(training_runs)
        .where(training_runs.c.id.in_(run_ids), jobs.c.id == training_runs.c.job_id, over)
        .values(checkpoint_key=None)
        .returning(training_runs.c.id)
    )
    return [str(run_id) for run_id in forgotten.scalars()]
