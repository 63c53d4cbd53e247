"""SQL of the identity store."""

from collections.abc import Collection, Iterator, Sequence
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
    select,
)
from sqlalchemy.dialects.postgresql import insert

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

# Whose series it is, apart from its headers: a list of cases reads one small row each.
texts = Table(
    "texts",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), index=True),
    *created_columns(),
    Column("source_key", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    UniqueConstraint("source_key", name="texts_one_per_source"),
    schema="identity",
)


def insert_series(conn: Connection, **values: object) -> None:
    """Insert the sealed headers of a series."""
    conn.execute(insert(series).values(**values))


def find(conn: Connection, source_key: str) -> Row[Any] | None:
    """Return the sealed headers of a series, if they are there still."""
    return conn.execute(select(series).where(series.c.source_key == source_key)).one_or_none()


def save_text(conn: Connection, *, sealed: bytes, **values: object) -> None:
    """Insert whose series it is, sealed, or put it in the place of what was said before."""
    conn.execute(
        insert(texts)
        .values(sealed=sealed, **values)
        .on_conflict_do_update(constraint="texts_one_per_source", set_={"sealed": sealed})
    )


def list_texts(conn: Connection, source_keys: Collection[str]) -> Sequence[Row[Any]]:
    """Return the sealed texts of those that are there."""
    return conn.execute(select(texts).where(texts.c.source_key.in_(source_keys))).all()


def scan_texts(conn: Connection, project_id: str, *, limit: int) -> Iterator[Row[Any]]:
    """Go through a project's sealed texts, newest first, without holding them all."""
    query = select(texts).where(texts.c.project_id == project_id).order_by(texts.c.id.desc()).limit(limit)
    return iter(conn.execution_options(yield_per=1000).execute(query))


def scan_all_texts(conn: Connection) -> Iterator[Row[Any]]:
    """Go through all sealed texts, those of no project, too, without holding them all."""
    return iter(conn.execution_options(yield_per=1000).execute(select(texts)))


def list_keys(conn: Connection, *, older_than: timedelta) -> set[str]:
    """Return the keys of headers and texts that have been there for longer."""
    began = func.clock_timestamp() - older_than
    found = (select(one.c.source_key).where(one.c.created_at < began) for one in (series, texts))
    return {str(key) for query in found for key in conn.execute(query).scalars()}


def drop(conn: Connection, source_key: str) -> None:
    """Delete the headers of a series and whose it is."""
    for one in (series, texts):
        conn.execute(delete(one).where(one.c.source_key == source_key))
