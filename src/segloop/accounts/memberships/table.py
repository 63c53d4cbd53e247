"""SQL of memberships."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, Column, ForeignKey, Row, Table, Text, Uuid, delete, select
from sqlalchemy.dialects.postgresql import insert

from segloop.accounts.people.table import people
from segloop.database import Connection, created_columns, metadata

memberships = Table(
    "memberships",
    metadata,
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), primary_key=True),
    Column("person_id", Uuid(as_uuid=False), ForeignKey("people.id"), primary_key=True, index=True),
    *created_columns(),
    Column("role", Text, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False, server_default="{}"),
    CheckConstraint("role IN ('viewer', 'annotator', 'reviewer', 'admin')", name="role_known"),
)


def save(conn: Connection, *, project_id: str, person_id: str, actor: str, **values: object) -> None:
    """Make a person a member, or change what they are; `created_by` is who decided last."""
    conn.execute(
        insert(memberships)
        .values(project_id=project_id, person_id=person_id, created_by=actor, **values)
        .on_conflict_do_update(
            index_elements=["project_id", "person_id"], set_={**values, "created_by": actor}
        )
    )


def remove(conn: Connection, *, project_id: str, person_id: str) -> bool:
    """End a membership; False where there is none."""
    gone = delete(memberships).where(
        memberships.c.project_id == project_id, memberships.c.person_id == person_id
    )
    return conn.execute(gone).rowcount > 0


def list_by_project(conn: Connection, project_id: str) -> Sequence[Row[Any]]:
    """Return a project's members with their names, by name."""
    query = select(
        memberships, people.c.name, people.c.display_name, people.c.switched_off_at.is_(None).label("is_on")
    )
    query = query.join(people, people.c.id == memberships.c.person_id)
    return conn.execute(query.where(memberships.c.project_id == project_id).order_by(people.c.name)).all()


def list_by_person(conn: Connection, person_id: str) -> Sequence[Row[Any]]:
    """Return all memberships of a person."""
    return conn.execute(select(memberships).where(memberships.c.person_id == person_id)).all()
