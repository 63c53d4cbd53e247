"""SQL of training policies and test patients: both only grow."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, Row, Table, Text, UniqueConstraint, Uuid, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from segloop.database import Connection, created_columns, id_column, metadata
from segloop.jobs.table import jobs

training_policies = Table(
    "training_policies",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("version", Integer, nullable=False),
    Column("body", JSONB, nullable=False),
    UniqueConstraint("project_id", "version", name="training_policies_one_per_version"),
)

test_patients = Table(
    "test_patients",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("patient_id", Uuid(as_uuid=False), ForeignKey("patients.id"), nullable=False),
    Column("why", Text, nullable=False),
    UniqueConstraint("project_id", "patient_id", name="test_patients_once"),
)


def insert_policy(conn: Connection, *, project_id: str, actor: str, body: dict[str, Any]) -> Row[Any]:
    """Append the project's next version; `training_policies_one_per_version` refuses a simultaneous one."""
    last = select(func.coalesce(func.max(training_policies.c.version), 0)).where(
        training_policies.c.project_id == project_id
    )
    values = {"project_id": project_id, "created_by": actor, "body": body}
    return conn.execute(
        insert(training_policies)
        .values(version=last.scalar_subquery() + 1, **values)
        .returning(training_policies)
    ).one()


def find_newest(conn: Connection, *, project_id: str) -> Row[Any] | None:
    """Return the policy in force, or None where nobody has changed the defaults."""
    return conn.execute(
        select(training_policies)
        .where(training_policies.c.project_id == project_id)
        .order_by(training_policies.c.version.desc())
        .limit(1)
    ).one_or_none()


def list_automatic_and_idle(conn: Connection) -> list[str]:
    """Return the projects that retrain by themselves and whose runs have all ended."""
    newest = (
        select(training_policies.c.project_id, training_policies.c.body)
        .distinct(training_policies.c.project_id)
        .order_by(training_policies.c.project_id, training_policies.c.version.desc())
        .subquery()
    )
    active = select(jobs.c.id).where(
        jobs.c.project_id == newest.c.project_id,
        jobs.c.kind == "train",
        jobs.c.state.in_(["queued", "running"]),
    )
    query = select(newest.c.project_id).where(newest.c.body["automatic"].astext == "true", ~active.exists())
    return [str(project_id) for project_id in conn.execute(query).scalars()]


def add_test_patients(
    conn: Connection, *, project_id: str, patient_ids: Iterable[str], why: str, actor: str
) -> int:
    """Freeze patients for tests for good and return how many were not so before."""
    rows = [
        {"project_id": project_id, "created_by": actor, "patient_id": patient, "why": why}
        for patient in sorted(set(patient_ids))
    ]
    if not rows:
        return 0
    added = conn.execute(
        insert(test_patients)
        .values(rows)
        .on_conflict_do_nothing(constraint="test_patients_once")
        .returning(test_patients.c.id)
    )
    return len(added.all())


def list_test_patients(conn: Connection, *, project_id: str) -> Sequence[Row[Any]]:
    """Return the project's test patients, oldest first."""
    return conn.execute(
        select(test_patients)
        .where(test_patients.c.project_id == project_id)
        .order_by(test_patients.c.created_at, test_patients.c.id)
    ).all()
