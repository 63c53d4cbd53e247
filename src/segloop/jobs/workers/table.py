"""SQL of workers. A row is a report, not a right: who may run a job is decided by the job's row alone."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Row, Table, Text, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from segloop.database import Connection, metadata

_now = func.clock_timestamp()
FORGOTTEN = timedelta(days=1)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("queue", Text, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=_now),
    Column("gpu_used_bytes", BigInteger),
    Column("gpu_total_bytes", BigInteger),
    Column("disk_free_bytes", BigInteger, nullable=False),
)


def save(conn: Connection, *, name: str, **values: object) -> None:
    """Record what a worker says of itself and that it was seen now; forget those not seen for a day."""
    row = {**values, "seen_at": _now}
    conn.execute(
        insert(workers).values(name=name, **row).on_conflict_do_update(index_elements=["name"], set_=row)
    )
    conn.execute(delete(workers).where(workers.c.seen_at < _now - FORGOTTEN))


def summarize(conn: Connection, *, within: timedelta) -> Sequence[Row[Any]]:
    """Return (queue, n, gpu_used_bytes, gpu_total_bytes, disk_free_bytes) of the workers seen lately.

    GPU memory is the sum over them, None where none has a GPU; free disk is the least.
    """
    return conn.execute(
        select(
            workers.c.queue,
            func.count().label("n"),
            func.sum(workers.c.gpu_used_bytes).label("gpu_used_bytes"),
            func.sum(workers.c.gpu_total_bytes).label("gpu_total_bytes"),
            func.min(workers.c.disk_free_bytes).label("disk_free_bytes"),
        )
        .where(workers.c.seen_at > _now - within)
        .group_by(workers.c.queue)
    ).all()
