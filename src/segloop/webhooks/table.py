"""SQL of webhooks and of the messages to them, each of which is sent until it arrives or is given up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
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
    delete,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from segloop.database import Connection, created_columns, id_column, metadata
from segloop.errors import NotFound

_now = func.clock_timestamp()

webhooks = Table(
    "webhooks",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("url", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("events", ARRAY(Text), nullable=False),
    Column("removed_at", DateTime(timezone=True)),
    # Its receiver wants nothing more: it is listed, and nothing is sent to it.
    Column("switched_off_at", DateTime(timezone=True)),
    Column("switched_off_reason", Text),
    Index("webhooks_by_project", "project_id", "created_at"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    Column("webhook_id", Uuid(as_uuid=False), ForeignKey("webhooks.id"), nullable=False),
    Column("event", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_try_at", DateTime(timezone=True), nullable=False, server_default=_now),
    Column("last_status", Integer),
    Column("last_code", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
    Column("ended_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name="state_known"),
    Index("webhook_deliveries_due", "next_try_at", postgresql_where=text("state = 'waiting'")),
    Index("webhook_deliveries_by_webhook", "webhook_id", "created_at"),
)


def insert_webhook(conn: Connection, **values: object) -> Row[Any]:
    """Insert a webhook."""
    return conn.execute(insert(webhooks).values(**values).returning(webhooks)).one()


def get(conn: Connection, webhook_id: str) -> Row[Any]:
    """Return a webhook that has not been removed.

    Raises:
        NotFound: `webhook_unknown`.
    """
    query = select(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.removed_at.is_(None))
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFound("webhook_unknown", "There is no such webhook.")
    return row


def list_(conn: Connection, *, project_id: str) -> Sequence[Row[Any]]:
    """Return a project's webhooks, oldest first."""
    query = select(webhooks).where(webhooks.c.project_id == project_id, webhooks.c.removed_at.is_(None))
    return conn.execute(query.order_by(webhooks.c.created_at)).all()


def remove(conn: Connection, webhook_id: str) -> None:
    """Remove a webhook; what still waits for it is given up."""
    conn.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(removed_at=_now))
    _give_up(conn, webhook_id, code="webhook_removed")


def switch_off(conn: Connection, webhook_id: str, *, reason: str) -> Row[Any] | None:
    """Switch a webhook off and return it, or None where it was off or removed already; what waits for it is given up."""
    row = conn.execute(
        update(webhooks)
        .where(
            webhooks.c.id == webhook_id, webhooks.c.removed_at.is_(None), webhooks.c.switched_off_at.is_(None)
        )
        .values(switched_off_at=_now, switched_off_reason=reason)
        .returning(webhooks)
    ).one_or_none()
    if row is not None:
        _give_up(conn, webhook_id, code="webhook_switched_off")
    return row


def _give_up(conn: Connection, webhook_id: str, *, code: str) -> None:
    conn.execute(
        update(webhook_deliveries)
        .where(webhook_deliveries.c.webhook_id == webhook_id, webhook_deliveries.c.state == "waiting")
        .values(state="dead", last_code=code, ended_at=_now)
    )


def add_for_subscribers(conn: Connection, *, project_id: str, event: str, body: str) -> None:
    """Add a message to each webhook of the project that wants the event."""
    wanting = select(webhooks.c.project_id, webhooks.c.id, literal(event), literal(body)).where(
        webhooks.c.project_id == project_id,
        webhooks.c.removed_at.is_(None),
        webhooks.c.switched_off_at.is_(None),
        webhooks.c.events.any(event),
    )
    columns = ["project_id", "webhook_id", "event", "body"]
    conn.execute(insert(webhook_deliveries).from_select(columns, wanting))


def insert_delivery(conn: Connection, **values: object) -> Row[Any]:
    """Add a message to one webhook."""
    return conn.execute(insert(webhook_deliveries).values(**values).returning(webhook_deliveries)).one()


def list_deliveries(
    conn: Connection, *, webhook_id: str, limit: int, before: tuple[datetime, str] | None
) -> Sequence[Row[Any]]:
    """Return a webhook's messages, newest first; `before` is the (created_at, id) of the last one seen."""
    place = tuple_(webhook_deliveries.c.created_at, webhook_deliveries.c.id)
    query = select(webhook_deliveries).where(webhook_deliveries.c.webhook_id == webhook_id)
    if before:
        query = query.where(place < before)
    order = (webhook_deliveries.c.created_at.desc(), webhook_deliveries.c.id.desc())
    return conn.execute(query.order_by(*order).limit(limit)).all()


def claim_due(conn: Connection, *, limit: int, lease_s: float) -> Sequence[Row[Any]]:
    """Take messages that are due, with their webhook's url and secret; they come due again unless `note` says otherwise."""
    due = (
        select(webhook_deliveries.c.id)
        .where(webhook_deliveries.c.state == "waiting", webhook_deliveries.c.next_try_at <= _now)
        .order_by(webhook_deliveries.c.next_try_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return conn.execute(
        update(webhook_deliveries)
        .where(webhook_deliveries.c.id.in_(due), webhooks.c.id == webhook_deliveries.c.webhook_id)
        .values(attempts=webhook_deliveries.c.attempts + 1, next_try_at=_now + timedelta(seconds=lease_s))
        .returning(webhook_deliveries, webhooks.c.url, webhooks.c.secret)
    ).all()


def note_delivered(conn: Connection, delivery_id: str, *, status: int) -> None:
    """Note that a message arrived."""
    _note(conn, delivery_id, state="delivered", last_status=status, last_code=None, ended_at=_now)


def note_failed(
    conn: Connection, delivery_id: str, *, status: int | None, code: str, again_in_s: float | None
) -> None:
    """Note that a message didn't arrive, and when it is tried again; None: never."""
    after: dict[str, Any] = {"state": "dead", "ended_at": _now}
    if again_in_s is not None:
        after = {"next_try_at": _now + timedelta(seconds=again_in_s)}
    _note(conn, delivery_id, last_status=status, last_code=code, **after)


def _note(conn: Connection, delivery_id: str, **values: object) -> None:
    conn.execute(
        update(webhook_deliveries)
        .where(webhook_deliveries.c.id == delivery_id, webhook_deliveries.c.state == "waiting")
        .values(**values)
    )


def replay(conn: Connection, delivery_id: str, *, webhook_id: str) -> Row[Any]:
    """Send a message again, from the first try, whatever became of it.

    Raises:
        NotFound: `delivery_unknown`.
    """
    row = conn.execute(
        update(webhook_deliveries)
        .where(webhook_deliveries.c.id == delivery_id, webhook_deliveries.c.webhook_id == webhook_id)
        .values(state="waiting", attempts=0, next_try_at=_now, ended_at=None)
        .returning(webhook_deliveries)
    ).one_or_none()
    if row is None:
        raise NotFound("delivery_unknown", "This webhook has no such delivery; old ones are not kept.")
    return row


def drop_old(conn: Connection, *, older_than: timedelta) -> None:
    """Forget messages that ended longer ago."""
    conn.execute(delete(webhook_deliveries).where(webhook_deliveries.c.ended_at < _now - older_than))


def count_by_state(conn: Connection) -> Sequence[Row[Any]]:
    """Return (state, n) over all messages, for metrics."""
    state = webhook_deliveries.c.state
    return conn.execute(select(state, func.count().label("n")).group_by(state)).all()
