"""SQL of gateways and the series they report."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Row,
    Select,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from segloop.database import Connection, created_columns, id_column, metadata
from segloop.errors import NotFound

_now = func.clock_timestamp()
GREW = "series_grew"
"""Code of an entry that went no further: more of its series came, and another has all of it."""

gateways = Table(
    "gateways",
    metadata,
    Column("aet", Text, primary_key=True),
    *created_columns(),
    Column("state", JSONB, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=_now),
)

received_series = Table(
    "received_series",
    metadata,
    id_column(),
    # None where no rule took the series, or its rule names a project that is not there.
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id")),
    *created_columns(),
    Column("gateway", Text, ForeignKey("gateways.aet"), nullable=False),
    Column("key", Text, nullable=False),
    # Keyed hashes of the UIDs, and the key of what the identity store has: no UID and no name is here.
    Column("study_key", Text, nullable=False, server_default=""),
    Column("series_key", Text, nullable=False, server_default=""),
    Column("source_key", Text),
    Column("route", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("n_instances", Integer, nullable=False),
    Column("rule", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("volume_id", Uuid(as_uuid=False), ForeignKey("volumes.id")),
    Column("job_id", Uuid(as_uuid=False), ForeignKey("jobs.id")),
    Column("mask_id", Uuid(as_uuid=False), ForeignKey("masks.id")),
    Column("deliveries", JSONB, nullable=False, server_default="[]"),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("reported_at", DateTime(timezone=True), nullable=False, server_default=_now),
    UniqueConstraint("gateway", "key", name="received_series_one_per_key"),
    Index("received_series_by_time", "received_at", "id"),
    Index("received_series_by_series", "series_key"),
)


def save_gateway(conn: Connection, *, aet: str, state: dict[str, Any], actor: str) -> None:
    """Record what a gateway says of itself, and that it was seen now."""
    conn.execute(
        insert(gateways)
        .values(aet=aet, state=state, created_by=actor)
        .on_conflict_do_update(index_elements=["aet"], set_={"state": state, "seen_at": _now})
    )


def list_gateways(conn: Connection) -> Sequence[Row[Any]]:
    """Return all gateways with `silent_s`, the one seen last first."""
    silent_s = func.extract("epoch", _now - gateways.c.seen_at).label("silent_s")
    return conn.execute(select(gateways, silent_s).order_by(gateways.c.seen_at.desc())).all()


def require_gateway(conn: Connection, aet: str) -> None:
    """Check that a gateway has reported itself.

    Raises:
        NotFound: `gateway_unknown`.
    """
    if conn.execute(select(gateways.c.aet).where(gateways.c.aet == aet)).one_or_none() is None:
        raise NotFound("gateway_unknown", "No gateway of this AE title has reported here yet.")


def save_series(conn: Connection, **values: object) -> None:
    """Insert a series, or replace what was reported of it before (gateway and key name it)."""
    kept = ("gateway", "key", "created_by", "source_key")
    changes = {name: value for name, value in values.items() if name not in kept}
    conn.execute(
        insert(received_series)
        .values(**values)
        .on_conflict_do_update(
            constraint="received_series_one_per_key", set_={**changes, "reported_at": _now}
        )
    )


def find_series(conn: Connection, *, gateway: str, key: str, lock: bool = False) -> Row[Any] | None:
    """Return a series by the key its gateway gave it."""
    query = select(received_series).where(received_series.c.gateway == gateway, received_series.c.key == key)
    return conn.execute(query.with_for_update() if lock else query).one_or_none()


def get_series(conn: Connection, series_id: str, *, lock: bool = False) -> Row[Any]:
    """Return a received series, locked against its next report when asked.

    Raises:
        NotFound: `series_unknown`.
    """
    query = select(received_series).where(received_series.c.id == series_id)
    row = conn.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound("series_unknown", "There is no such received series.")
    return row


def find_whole(conn: Connection, row: Row[Any]) -> Row[Any] | None:
    """Return the entry that goes on with all of a series of which this one has a part; the newest of several."""
    return conn.execute(
        select(received_series)
        .where(
            _same_series(row),
            received_series.c.received_at >= row.received_at,
            received_series.c.n_instances > row.n_instances,
        )
        .order_by(received_series.c.received_at.desc(), received_series.c.id.desc())
        .limit(1)
    ).one_or_none()


def list_grown(conn: Connection, row: Row[Any]) -> list[str]:
    """Return the other entries of a series that went no further because more of it came."""
    query = select(received_series.c.id).where(
        _same_series(row), received_series.c.code == GREW, received_series.c.received_at <= row.received_at
    )
    return [str(series_id) for series_id in conn.execute(query).scalars()]


def _same_series(row: Row[Any]) -> ColumnElement[bool]:
    """Match the other entries of one series: a gateway's keys of them differ in the number at their end only."""
    stem = str(row.key).rpartition("-")[0] + "-"
    return (
        (received_series.c.gateway == row.gateway)
        & (received_series.c.id != row.id)
        & received_series.c.key.startswith(stem, autoescape=True)
    )


def is_coming(conn: Connection, *, series_key: str) -> bool:
    """Say whether a gateway has a series that is not all with us: a volume of it may be a part, and be taken back."""
    query = select(received_series.c.id).where(
        received_series.c.series_key == series_key, received_series.c.stage.in_(("receiving", "closed"))
    )
    return conn.execute(query.limit(1)).first() is not None


def list_by_ids(conn: Connection, series_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Return those of the series that are there."""
    return conn.execute(select(received_series).where(received_series.c.id.in_(series_ids))).all()


def list_of_volumes(conn: Connection, volume_ids: Collection[str]) -> Sequence[Row[Any]]:
    """Return the series of volumes that the identity store has something of, the one received last first."""
    query = select(received_series).where(
        received_series.c.volume_id.in_(volume_ids), received_series.c.source_key.is_not(None)
    )
    return conn.execute(query.order_by(received_series.c.received_at.desc(), received_series.c.id)).all()


def set_source_key(conn: Connection, series_id: str, source_key: str) -> None:
    """Let a series name whose it is in the identity store."""
    conn.execute(
        update(received_series).where(received_series.c.id == series_id).values(source_key=source_key)
    )


def list_series(
    conn: Connection,
    *,
    project_id: str | None,
    visible: Collection[str] | None,
    volume_id: str | None,
    stages: Sequence[str],
    limit: int,
    before: tuple[datetime, str] | None,
) -> Sequence[Row[Any]]:
    """Return series, the one received last first: of a project and of no project, or of all; `before` as in all lists."""
    query = select(received_series).order_by(
        received_series.c.received_at.desc(), received_series.c.id.desc()
    )
    query = _of_projects(query, project_id, visible)
    if volume_id is not None:
        query = query.where(received_series.c.volume_id == volume_id)
    if stages:
        query = query.where(received_series.c.stage.in_(stages))
    if before:
        query = query.where(tuple_(received_series.c.received_at, received_series.c.id) < before)
    return conn.execute(query.limit(limit)).all()


def count_by_stage(
    conn: Connection, *, project_id: str | None, visible: Collection[str] | None, since: timedelta
) -> dict[str, int]:
    """Return how many series of the last time stand at each stage."""
    query = select(received_series.c.stage, func.count().label("n")).where(
        received_series.c.received_at > _now - since
    )
    query = _of_projects(query, project_id, visible)
    return {row.stage: row.n for row in conn.execute(query.group_by(received_series.c.stage))}


def _of_projects(query: Select[Any], project_id: str | None, visible: Collection[str] | None) -> Select[Any]:
    """Keep what is of a project or of none, or of any; and of that, unless it is None, what is in the `visible` projects."""
    of = received_series.c.project_id
    if project_id is not None:
        query = query.where(func.coalesce(of, project_id) == project_id)
    return query if visible is None else query.where(of.in_(visible))


def forget_refused(conn: Connection, *, older_than: timedelta) -> int:
    """Let series that came to nothing so long ago no longer name whose they were; return how many."""
    done = conn.execute(
        update(received_series)
        .where(
            received_series.c.stage.in_(("failed", "ignored")),
            received_series.c.volume_id.is_(None),
            received_series.c.source_key.is_not(None),
            received_series.c.reported_at < _now - older_than,
        )
        .values(source_key=None)
    )
    return int(done.rowcount)


def list_source_keys(conn: Connection) -> set[str]:
    """Return the keys of all that the identity store has of received series."""
    found = conn.execute(
        select(received_series.c.source_key).where(received_series.c.source_key.is_not(None))
    )
    return {str(key) for key in found.scalars()}
