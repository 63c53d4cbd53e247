"""SQL of the identity store."""

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    LargeBinary,
    Row,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    delete,
    func,
    insert,
    select,
)

from segloop.database import Connection, created_columns, id_column, metadata

series = Table(
    "series",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("source_key", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    UniqueConstraint("source_key", name="series_one_per_source"),
    schema="identity",
)


def insert_series(conn: Connection, **values: object) -> None:
    """Insert the sealed headers of a series."""
    conn.execute(insert(series).values(**values))


def find(conn: Connection, source_key: str) -> Row[Any] | None:
    """Return the sealed headers of a series, if they are there still."""
    return conn.execute(select(series).where(series.c.source_key == source_key)).one_or_none()


def list_keys(conn: Connection, *, older_than: timedelta) -> set[str]:
    """Return the keys of headers that have been there for longer."""
    query = select(series.c.source_key).where(series.c.created_at < func.clock_timestamp() - older_than)
    return {str(key) for key in conn.execute(query).scalars()}


def drop(conn: Connection, source_key: str) -> None:
    """Delete the headers of a series."""
    conn.execute(delete(series).where(series.c.source_key == source_key))
