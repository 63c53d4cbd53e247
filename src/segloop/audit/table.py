"""SQL of the append-only audit record."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Table, Text, func, insert
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
        insert(audit_events).values(
            project_id=project_id,
            actor=actor,
            action=action,
            object_type=object_type,
            object_id=object_id,
            detail=detail,
        )
    )
