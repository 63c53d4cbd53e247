"""SQL of an erasure: which rows hang on a patient, as the database's own foreign keys say, and their removal.

Run as the tables' owner: the API's role may delete none of these rows, so nobody who took it over could either.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import MetaData, Row, Table, delete, or_, select

from segloop.database import Connection
from segloop.errors import Conflict

NEVER = frozenset(
    [
        *("projects", "people", "memberships", "api_keys", "sessions", "sign_in_links", "label_sets"),
        *("model_versions", "training_runs", "training_policies", "evaluations", "comparisons"),
        *("stage_changes", "webhooks", "gateways", "audit_events", "audit_seals"),
    ]
)
"""Tables that an erasure must never reach, whatever comes to refer to a patient."""
Rows = dict[str, list[Row[Any]]]


def reflect(conn: Connection) -> MetaData:
    """Return all tables with their foreign keys, as the database has them now."""
    found = MetaData()
    found.reflect(conn, schema=None)
    return found


def pseudonym_of(conn: Connection, tables: MetaData, volume_id: str) -> str | None:
    """Return the pseudonym of a volume's patient, if there is one."""
    volumes, patients = tables.tables["volumes"], tables.tables["patients"]
    query = select(patients.c.pseudonym).join(volumes, volumes.c.patient_id == patients.c.id)
    return conn.execute(query.where(volumes.c.id == volume_id)).scalar_one_or_none()


def list_where(
    conn: Connection, tables: MetaData, name: str, column: str, values: Collection[Any]
) -> list[Row[Any]]:
    """Return the rows of a table that have one of some values."""
    table = tables.tables[name]
    return list(conn.execute(select(table).where(table.c[column].in_(list(values)))))


def hanging_on(conn: Connection, tables: MetaData, roots: Mapping[str, Sequence[Row[Any]]]) -> Rows:
    """Return the roots and all rows that refer to one of them, directly or through others, by table.

    Raises:
        Conflict: `erase_too_far` where rows of `NEVER` do.
    """
    found: Rows = {name: list(rows) for name, rows in roots.items() if rows}
    grown = True
    while grown:
        grown = False
        for table in tables.tables.values():
            asked = _refers(table, found)
            if not asked:
                continue
            rows = list(conn.execute(select(table).where(or_(*asked))))
            known = {_key(table, row) for row in found.get(table.name, [])}
            fresh = [row for row in rows if _key(table, row) not in known]
            if fresh:
                found.setdefault(table.name, []).extend(fresh)
                grown = True
    reached = sorted(NEVER & found.keys())
    if reached:
        raise Conflict(
            "erase_too_far", f"Rows of {', '.join(reached)} refer to this patient. Tell operations."
        )
    return found


def remove(conn: Connection, tables: MetaData, rows: Rows) -> None:
    """Delete rows, those that refer to others first."""
    for table in reversed(tables.sorted_tables):
        mine = rows.get(table.name, [])
        keys = list(table.primary_key.columns)
        for at in range(0, len(mine), 500):
            some = [{key.name: row._mapping[key.name] for key in keys} for row in mine[at : at + 500]]
            if len(keys) == 1:
                conn.execute(delete(table).where(keys[0].in_([one[keys[0].name] for one in some])))
                continue
            for one in some:
                conn.execute(delete(table).where(*(key == one[key.name] for key in keys)))


def list_versions(conn: Connection, tables: MetaData, run_ids: Collection[str]) -> Sequence[Row[Any]]:
    """Return the model versions that runs made, and those that were trained further from them, oldest first."""
    runs, versions = tables.tables["training_runs"], tables.tables["model_versions"]
    made = select(runs.c.version_id).where(runs.c.id.in_(list(run_ids)), runs.c.version_id.is_not(None))
    known = set(conn.execute(made).scalars())
    while True:
        more = set(conn.execute(select(versions.c.id).where(versions.c.parent_id.in_(known))).scalars())
        if more <= known:
            break
        known |= more
    query = select(versions).where(versions.c.id.in_(known)).order_by(versions.c.id)
    return conn.execute(query).all()


def _key(table: Table, row: Row[Any]) -> tuple[Any, ...]:
    return tuple(row._mapping[key.name] for key in table.primary_key.columns)


def _refers(table: Table, found: Rows) -> list[Any]:
    """Return the conditions under which a row of a table refers to a row that was found."""
    asked = []
    for key in table.foreign_keys:
        parent = key.column.table.name
        if parent in found and found[parent] and key.column.name in found[parent][0]._mapping:
            asked.append(key.parent.in_([row._mapping[key.column.name] for row in found[parent]]))
    return asked
