"""SQL of evaluations, comparisons and changes of stage: rows are written once and never changed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Row,
    Table,
    Text,
    Uuid,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from segloop.database import Connection, created_columns, id_column, metadata

evaluations = Table(
    "evaluations",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("model_version_id", Uuid(as_uuid=False), ForeignKey("model_versions.id"), nullable=False),
    Column("job_id", Uuid(as_uuid=False), ForeignKey("jobs.id"), nullable=False),
    # Names the volumes and masks it was measured on: figures of two evaluations compare where it is the same.
    Column("cases_sha256", Text, nullable=False),
    Column("scores", JSONB, nullable=False),
    Index("evaluations_by_version", "model_version_id", "created_at"),
)

comparisons = Table(
    "comparisons",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("candidate_id", Uuid(as_uuid=False), ForeignKey("model_versions.id"), nullable=False),
    Column("production_id", Uuid(as_uuid=False), ForeignKey("model_versions.id")),
    Column("candidate_evaluation_id", Uuid(as_uuid=False), ForeignKey("evaluations.id"), nullable=False),
    Column("production_evaluation_id", Uuid(as_uuid=False), ForeignKey("evaluations.id")),
    Column("outcome", Text, nullable=False),
    Column("decision", JSONB, nullable=False),
    CheckConstraint("outcome IN ('promote', 'reject', 'not_enough_cases')", name="outcome_known"),
    Index("comparisons_by_candidate", "candidate_id", "created_at"),
)

stage_changes = Table(
    "stage_changes",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("model_version_id", Uuid(as_uuid=False), ForeignKey("model_versions.id"), nullable=False),
    Column("stage", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("comparison_id", Uuid(as_uuid=False), ForeignKey("comparisons.id")),
    Column("is_override", Boolean, nullable=False, server_default="false"),
    Index("stage_changes_by_version", "model_version_id", "created_at"),
)


def insert_evaluation(conn: Connection, **values: object) -> Row[Any]:
    """Insert what was measured of one version."""
    return conn.execute(insert(evaluations).values(**values).returning(evaluations)).one()


def insert_comparison(conn: Connection, **values: object) -> Row[Any]:
    """Insert a verdict."""
    return conn.execute(insert(comparisons).values(**values).returning(comparisons)).one()


def insert_stage_change(conn: Connection, **values: object) -> Row[Any]:
    """Insert one change of a version's stage."""
    return conn.execute(insert(stage_changes).values(**values).returning(stage_changes)).one()


def find_newest(conn: Connection, *, candidate_id: str, production_id: str | None) -> Row[Any] | None:
    """Return the newest comparison of these two versions, if any; `production_id` None means with nothing."""
    against = (
        comparisons.c.production_id.is_(None)
        if production_id is None
        else comparisons.c.production_id == production_id
    )
    return conn.execute(
        select(comparisons)
        .where(comparisons.c.candidate_id == candidate_id, against)
        .order_by(comparisons.c.created_at.desc(), comparisons.c.id.desc())
        .limit(1)
    ).one_or_none()


def list_(conn: Connection, *, candidate_id: str) -> Sequence[Row[Any]]:
    """Return a version's comparisons as a candidate, newest first."""
    return conn.execute(
        select(comparisons)
        .where(comparisons.c.candidate_id == candidate_id)
        .order_by(comparisons.c.created_at.desc(), comparisons.c.id.desc())
    ).all()


def get_evaluation(conn: Connection, evaluation_id: str) -> Row[Any]:
    """Return one evaluation, which a comparison names."""
    return conn.execute(select(evaluations).where(evaluations.c.id == evaluation_id)).one()


def list_newest_evaluations(conn: Connection, *, project_id: str) -> Sequence[Row[Any]]:
    """Return the newest evaluation of each of a project's versions."""
    return conn.execute(
        select(evaluations)
        .where(evaluations.c.project_id == project_id)
        .distinct(evaluations.c.model_version_id)
        .order_by(evaluations.c.model_version_id, evaluations.c.created_at.desc(), evaluations.c.id.desc())
    ).all()


def list_stage_changes(conn: Connection, *, model_version_id: str) -> Sequence[Row[Any]]:
    """Return a version's changes of stage, oldest first."""
    return conn.execute(
        select(stage_changes)
        .where(stage_changes.c.model_version_id == model_version_id)
        .order_by(stage_changes.c.created_at, stage_changes.c.id)
    ).all()
