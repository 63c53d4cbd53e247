"""SQL of audit seals."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Row, Table, Text, func, insert, select, text

from segloop.audit.table import audit_events
from segloop.database import Connection, metadata

audit_seals = Table(
    "audit_seals",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    # No foreign key: an event that was taken away must leave its seal behind, not the other way round.
    Column("event_id", BigInteger, nullable=False, unique=True),
    Column("hash", Text, nullable=False),
    Column("sealed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
)
_BATCH = 2000


def try_lock(conn: Connection) -> bool:
    """Become the one who seals until the transaction ends; False where another is."""
    return bool(
        conn.execute(text("SELECT pg_try_advisory_xact_lock(hashtextextended('audit/seal', 0))")).scalar_one()
    )


def find_last(conn: Connection) -> Row[Any] | None:
    """Return the newest seal."""
    return conn.execute(select(audit_seals).order_by(audit_seals.c.sequence.desc()).limit(1)).one_or_none()


def list_unsealed(conn: Connection, *, limit: int) -> Sequence[Row[Any]]:
    """Return events without a seal, in the order of their ids: one that committed late may come after a later one."""
    query = (
        select(audit_events)
        .outerjoin(audit_seals, audit_seals.c.event_id == audit_events.c.id)
        .where(audit_seals.c.sequence.is_(None))
        .order_by(audit_events.c.id)
        .limit(limit)
    )
    return conn.execute(query).all()


def insert_seals(conn: Connection, seals: list[dict[str, object]]) -> None:
    """Append seals."""
    conn.execute(insert(audit_seals), seals)


def walk(conn: Connection) -> Iterator[Row[Any]]:
    """Yield every seal in order with its event's columns, which are None where the event is gone."""
    query = (
        select(audit_seals.c.sequence, audit_seals.c.event_id, audit_seals.c.hash, *audit_events.c)
        .outerjoin(audit_events, audit_seals.c.event_id == audit_events.c.id)
        .order_by(audit_seals.c.sequence)
        .execution_options(yield_per=_BATCH)
    )
    yield from conn.execute(query)


def count_old_unsealed(conn: Connection, *, after_s: float) -> int:
    """Return how many events lack a seal though they are older than that."""
    began = func.clock_timestamp() - text("make_interval(secs => :s)").bindparams(s=after_s)
    query = (
        select(func.count())
        .select_from(audit_events)
        .outerjoin(audit_seals, audit_seals.c.event_id == audit_events.c.id)
        .where(audit_seals.c.sequence.is_(None), audit_events.c.at < began)
    )
    return int(conn.execute(query).scalar_one())
