"""SQL of the append-only audit record."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Row,
    Table,
    Text,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from segloop.database import Connection, metadata

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("project_id", Text),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object_type", Text, nullable=False),
    Column("object_id", Text),
    Column("detail", JSONB, nullable=False, server_default="{}"),
    Column(
        "at",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.clock_timestamp(),
    ),
    Index("audit_events_by_time", "at", "id"),
)


def insert_event(
    conn: Connection,
    *,
    project_id: str | None,
    actor: str,
    action: str,
    object_type: str,
    object_id: str | None,
    detail: dict[str, object],
) -> None:
    """Append one event; nothing ever changes or removes it."""
    conn.execute(
        # Without RETURNING, which asks for the right to see the row: who is refused may see none.
        insert(audit_events)
        .inline()
        .values(
            project_id=project_id,
            actor=actor,
            action=action,
            object_type=object_type,
            object_id=object_id,
            detail=detail,
        )
    )


def list_(
    conn: Connection,
    *,
    project_id: str | None = None,
    actor: str = "",
    actions: Collection[str] = (),
    object_id: str = "",
    before_id: int | None = None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return events, newest first: of a project, by an actor, of actions or their beginnings, about an object."""
    query = select(audit_events).order_by(audit_events.c.id.desc()).limit(limit)
    for column, value in (("project_id", project_id), ("actor", actor), ("object_id", object_id)):
        if value:
            query = query.where(audit_events.c[column] == value)
    if actions:
        one_of = (audit_events.c.action.startswith(action, autoescape=True) for action in actions)
        query = query.where(or_(*one_of))
    if before_id is not None:
        query = query.where(audit_events.c.id < before_id)
    return conn.execute(query).all()
