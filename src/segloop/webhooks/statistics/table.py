"""SQL that counts messages to webhooks."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, case, func, select

from segloop.database import Connection
from segloop.webhooks.table import webhook_deliveries as deliveries


def count_deliveries(conn: Connection) -> Sequence[Row[Any]]:
    """Return (state, n, oldest_s) over all messages that are kept; `oldest_s` is of those that wait."""
    waiting_since = func.min(case((deliveries.c.state == "waiting", deliveries.c.created_at)))
    age = func.extract("epoch", func.clock_timestamp() - waiting_since)
    return conn.execute(
        select(deliveries.c.state, func.count().label("n"), age.label("oldest_s")).group_by(
            deliveries.c.state
        )
    ).all()
