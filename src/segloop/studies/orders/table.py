"""SQL of orders to gateways."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    Table,
    Text,
    Uuid,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, distinct_on

from segloop.database import Connection, created_columns, id_column, metadata
from segloop.errors import NotFound

_now = func.clock_timestamp()

orders = Table(
    "gateway_orders",
    metadata,
    id_column(),
    # None where it concerns no project, such as the test of a peer.
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id")),
    *created_columns(),
    Column("gateway", Text, ForeignKey("gateways.aet"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    # Sealed while the order is open, as it may name a series by its UIDs; None once it has ended.
    Column("payload", LargeBinary),
    # A keyed hash of what is asked for, so that asking twice places one order; lower priority is sooner.
    Column("fingerprint", Text, nullable=False, server_default=""),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("received_series_id", Uuid(as_uuid=False), ForeignKey("received_series.id"), index=True),
    Column("job_id", Uuid(as_uuid=False), ForeignKey("jobs.id")),
    Column("code", Text, nullable=False, server_default=""),
    Column("message", Text, nullable=False, server_default=""),
    Column("result", JSONB, nullable=False, server_default="{}"),
    Column("claimed_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    CheckConstraint("kind IN ('retrieve', 'redeliver', 'route', 'echo')", name="kind_known"),
    CheckConstraint("state IN ('open', 'claimed', 'done', 'failed')", name="state_known"),
    Index(
        "gateway_orders_open",
        "gateway",
        "priority",
        "created_at",
        postgresql_where=text("state IN ('open', 'claimed')"),
    ),
)


def new_id(conn: Connection) -> str:
    """Return a fresh id, for what is sealed under it before its row is there."""
    return str(conn.execute(text("SELECT uuidv7()")).scalar_one())


def insert_order(conn: Connection, **values: object) -> None:
    """Insert an open order."""
    conn.execute(insert(orders).values(**values))


def claim(
    conn: Connection, *, gateway: str, again_after: timedelta, pulls: bool | None = None
) -> Row[Any] | None:
    """Give out a gateway's most urgent order, the oldest of these, that is open, or was claimed so long ago that it seems forgotten."""
    forgotten = orders.c.claimed_at < _now - again_after
    chosen = (
        select(orders.c.id)
        .where(
            orders.c.gateway == gateway,
            or_(orders.c.state == "open", (orders.c.state == "claimed") & forgotten),
            *([] if pulls is None else [(orders.c.kind == "retrieve") == pulls]),
        )
        .order_by(orders.c.priority, orders.c.created_at, orders.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return conn.execute(
        update(orders).where(orders.c.id == chosen).values(state="claimed", claimed_at=_now).returning(orders)
    ).one_or_none()


def end(conn: Connection, order_id: str, **values: object) -> Row[Any] | None:
    """End an order that is open or claimed and forget its payload; None where it has ended already."""
    return conn.execute(
        update(orders)
        .where(orders.c.id == order_id, orders.c.state.in_(("open", "claimed")))
        .values(payload=None, finished_at=_now, **values)
        .returning(orders)
    ).one_or_none()


def get(conn: Connection, order_id: str) -> Row[Any]:
    """Return an order.

    Raises:
        NotFound: `order_unknown`.
    """
    row = conn.execute(select(orders).where(orders.c.id == order_id)).one_or_none()
    if row is None:
        raise NotFound("order_unknown", "There is no such order to a gateway.")
    return row


def find_open(conn: Connection, *, gateway: str, kind: str, fingerprint: str) -> Row[Any] | None:
    """Return the order that asks for the same and has not ended."""
    return conn.execute(
        select(orders)
        .where(
            orders.c.gateway == gateway,
            orders.c.kind == kind,
            orders.c.fingerprint == fingerprint,
            orders.c.state.in_(("open", "claimed")),
        )
        .limit(1)
    ).one_or_none()


def is_open(conn: Connection, *, received_series_id: str, kind: str) -> bool:
    """Say whether an order of a kind about a series has not ended."""
    found = select(orders.c.id).where(
        orders.c.received_series_id == received_series_id,
        orders.c.kind == kind,
        orders.c.state.in_(("open", "claimed")),
    )
    return conn.execute(found.limit(1)).one_or_none() is not None


def list_newest(conn: Connection, received_series_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Return the newest order about each of these series, by series."""
    query = (
        select(orders)
        .ext(distinct_on(orders.c.received_series_id))
        .where(orders.c.received_series_id.in_(received_series_ids))
        .order_by(orders.c.received_series_id, orders.c.created_at.desc())
    )
    return {row.received_series_id: row for row in conn.execute(query)}
