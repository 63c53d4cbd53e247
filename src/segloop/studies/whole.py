"""Keep a part of a series from being worked on where all of it is here, or about to be."""

from typing import Any

from sqlalchemy import Row

from segloop.database import Connection
from segloop.errors import Conflict
from segloop.jobs.held import table as held_jobs
from segloop.studies import table


def require_whole(conn: Connection, row: Row[Any]) -> None:
    """Check that a received series is not a part of one of which more came.

    Raises:
        Conflict: `series_grew`.
    """
    if row.code == table.GREW or table.find_whole(conn, row) is not None:
        raise Conflict(
            table.GREW,
            "More of this series came, and another entry of it goes on with all of it. Choose that one.",
        )


def let_wait_for_whole(conn: Connection, row: Row[Any]) -> Row[Any] | None:
    """Have the jobs that wait for a part of a series wait for all of it, whichever was reported first.

    Returns the series that they wait for now; None where that was not reported yet.
    """
    if row.code == table.GREW:
        whole = table.find_whole(conn, row)
        parts = [row.id]
    else:
        whole, parts = row, table.list_grown(conn, row)
    if whole is not None and parts:
        held_jobs.move_waiting(conn, from_series=parts, to_series=whole.id)
    return whole
