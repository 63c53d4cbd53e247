"""SQL of model versions: a numbered line per project, at most one in production."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from segloop.database import Connection, created_columns, id_column, metadata
from segloop.errors import NotFound

model_versions = Table(
    "model_versions",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("number", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("parent_id", Uuid(as_uuid=False), ForeignKey("model_versions.id")),
    Column("stage", Text, nullable=False, server_default="candidate"),
    Column("label_set_id", Uuid(as_uuid=False), ForeignKey("label_sets.id"), nullable=False),
    Column("object_key", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("orientation", Text, nullable=False),
    Column("card", Text, nullable=False, server_default=""),
    Column("details", JSONB, nullable=False, server_default="{}"),
    Column("promoted_by", Text),
    Column("promoted_at", DateTime(timezone=True)),
    CheckConstraint(
        "stage IN ('candidate', 'production', 'retired', 'rejected')",
        name="stage_known",
    ),
    UniqueConstraint("project_id", "number", name="model_versions_one_per_number"),
    UniqueConstraint("project_id", "sha256", name="model_versions_one_per_content"),
    Index(
        "model_versions_one_production",
        "project_id",
        unique=True,
        postgresql_where=text("stage = 'production'"),
    ),
)


def insert_version(conn: Connection, *, project_id: str, **values: object) -> Row[Any]:
    """Insert a candidate with the project's next number."""
    last = select(func.coalesce(func.max(model_versions.c.number), 0)).where(
        model_versions.c.project_id == project_id
    )
    return conn.execute(
        insert(model_versions)
        .values(project_id=project_id, number=last.scalar_subquery() + 1, **values)
        .returning(model_versions)
    ).one()


def get(conn: Connection, model_version_id: str) -> Row[Any]:
    """Return a model version.

    Raises:
        NotFound: `model_version_unknown`.
    """
    row = conn.execute(select(model_versions).where(model_versions.c.id == model_version_id)).one_or_none()
    if row is None:
        raise unknown()
    return row


def unknown() -> NotFound:
    """Return the error for a version that is absent or another project's."""
    return NotFound("model_version_unknown", "There is no such model version.")


def find_by_sha256(conn: Connection, *, project_id: str, sha256: str) -> Row[Any] | None:
    """Return the project's version of exactly this bundle, if any."""
    return conn.execute(
        select(model_versions).where(
            model_versions.c.project_id == project_id, model_versions.c.sha256 == sha256
        )
    ).one_or_none()


def find_production(conn: Connection, *, project_id: str) -> Row[Any] | None:
    """Return the version in production, if any."""
    return conn.execute(
        select(model_versions).where(
            model_versions.c.project_id == project_id,
            model_versions.c.stage == "production",
        )
    ).one_or_none()


def list_(conn: Connection, *, project_id: str) -> Sequence[Row[Any]]:
    """Return a project's versions, newest first."""
    return conn.execute(
        select(model_versions)
        .where(model_versions.c.project_id == project_id)
        .order_by(model_versions.c.number.desc())
    ).all()


def set_stage(
    conn: Connection,
    model_version_id: str,
    *,
    stage: str,
    promoted_by: str | None = None,
) -> Row[Any]:
    """Move a version to another stage; `model_versions_one_production` guards the one in production."""
    values: dict[str, object] = {"stage": stage}
    if promoted_by is not None:
        values |= {"promoted_by": promoted_by, "promoted_at": func.clock_timestamp()}
    return conn.execute(
        update(model_versions)
        .where(model_versions.c.id == model_version_id)
        .values(**values)
        .returning(model_versions)
    ).one()
