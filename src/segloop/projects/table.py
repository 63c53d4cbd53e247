"""SQL of projects and their append-only label sets."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from segloop.database import Connection, created_columns, id_column, metadata
from segloop.errors import NotFound

DEFAULT_SLUG = "default"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

projects = Table(
    "projects",
    metadata,
    id_column(),
    *created_columns(),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
)

label_sets = Table(
    "label_sets",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("version", Integer, nullable=False),
    Column("labels", JSONB, nullable=False),
    UniqueConstraint("project_id", "version", name="label_sets_one_per_version"),
)


def insert_project(conn: Connection, *, slug: str, name: str, actor: str) -> Row[Any]:
    """Insert a project and return its row; `projects_slug_key` refuses a second one of that slug."""
    return conn.execute(
        insert(projects).values(slug=slug, name=name, created_by=actor).returning(projects)
    ).one()


def get(conn: Connection, project: str) -> Row[Any]:
    """Return a project by id or slug.

    Raises:
        NotFound: `project_unknown`.
    """
    from_slug = projects.c.slug == project
    row = conn.execute(select(projects).where(from_slug)).one_or_none()
    if row is None and is_uuid(project):
        row = conn.execute(select(projects).where(projects.c.id == project)).one_or_none()
    if row is None:
        raise NotFound("project_unknown", "There is no such project.")
    return row


def list_(conn: Connection) -> Sequence[Row[Any]]:
    """Return all projects, oldest first."""
    return conn.execute(select(projects).order_by(projects.c.created_at, projects.c.id)).all()


def insert_label_set(
    conn: Connection, *, project_id: str, labels: list[dict[str, Any]], actor: str
) -> Row[Any]:
    """Append the next version of a project's label set."""
    last = select(func.coalesce(func.max(label_sets.c.version), 0)).where(
        label_sets.c.project_id == project_id
    )
    return conn.execute(
        insert(label_sets)
        .values(
            project_id=project_id,
            version=last.scalar_subquery() + 1,
            labels=labels,
            created_by=actor,
        )
        .returning(label_sets)
    ).one()


def list_label_sets(conn: Connection, *, project_id: str) -> Sequence[Row[Any]]:
    """Return a project's label sets, newest first."""
    return conn.execute(
        select(label_sets).where(label_sets.c.project_id == project_id).order_by(label_sets.c.version.desc())
    ).all()


def get_label_set(conn: Connection, label_set_id: str, *, project_id: str) -> Row[Any]:
    """Return one label set of the project.

    Raises:
        NotFound: `label_set_unknown`.
    """
    row = conn.execute(
        select(label_sets).where(label_sets.c.id == label_set_id, label_sets.c.project_id == project_id)
    ).one_or_none()
    if row is None:
        raise NotFound("label_set_unknown", "There is no such label set in this project.")
    return row


def is_uuid(value: str) -> bool:
    """Say whether a text has the form of a UUID; with anything else the database would not even compare."""
    return _UUID.fullmatch(value) is not None
