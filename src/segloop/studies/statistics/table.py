"""SQL that counts gateways' series, deliveries and orders."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select, text

from segloop.database import Connection
from segloop.studies.orders.table import orders
from segloop.studies.table import gateways, received_series

_now = func.clock_timestamp()


def list_silence(conn: Connection) -> Sequence[Row[Any]]:
    """Return (aet, silent_s) of each gateway that ever reported."""
    return conn.execute(
        select(gateways.c.aet, func.extract("epoch", _now - gateways.c.seen_at).label("silent_s"))
    ).all()


def count_series(conn: Connection) -> Sequence[Row[Any]]:
    """Return (stage, n) of the series that gateways have told of."""
    return conn.execute(
        select(received_series.c.stage, func.count().label("n")).group_by(received_series.c.stage)
    ).all()


def count_deliveries(conn: Connection) -> Sequence[Row[Any]]:
    """Return (state, n) of the deliveries of series that are still being delivered."""
    return conn.execute(
        text(
            "SELECT delivery->>'state' AS state, count(*) AS n FROM received_series,"
            " jsonb_array_elements(deliveries) AS delivery WHERE stage = 'delivering' GROUP BY 1"
        )
    ).all()


def open_orders(conn: Connection) -> tuple[int, float]:
    """Return how many orders no gateway has ended yet, and the age of the oldest in seconds."""
    age = func.extract("epoch", _now - func.min(orders.c.created_at))
    row = conn.execute(
        select(func.count(), age).select_from(orders).where(orders.c.state.in_(["open", "claimed"]))
    ).one()
    return int(row[0]), float(row[1] or 0.0)
