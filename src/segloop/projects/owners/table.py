"""SQL that finds whose objects are by their ids alone, over all tables whose rows belong to a project."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from sqlalchemy import CompoundSelect, Table, Uuid, bindparam, literal, or_, select, union_all

from segloop.database import Connection, metadata
from segloop.projects.table import projects


@dataclass(frozen=True)
class Owned:
    """An object that there is: its kind and id, and the id of its project (None: it belongs to none)."""

    object_type: str
    object_id: str
    project_id: str | None


def find_owned(conn: Connection, *, ids: Collection[str], slugs: Collection[str] = ()) -> list[Owned]:
    """Return what there is of these ids (UUIDs), and the projects of these slugs, as far as the connection sees."""
    found = conn.execute(_query(), {"ids": list(ids), "slugs": list(slugs)})
    return [Owned(*row) for row in found]


@cache
def _query() -> "CompoundSelect[str, str, str | None]":
    wanted = bindparam("ids", expanding=True, type_=Uuid(as_uuid=False))
    named = bindparam("slugs", expanding=True, type_=projects.c.slug.type)
    return union_all(
        *(
            select(literal(_name(table)), table.c.id, table.c.project_id).where(table.c.id.in_(wanted))
            for table in metadata.sorted_tables
            if _is_of_a_project(table)
        ),
        select(literal("project"), projects.c.id, projects.c.id).where(
            or_(projects.c.id.in_(wanted), projects.c.slug.in_(named))
        ),
    )


def _is_of_a_project(table: Table) -> bool:
    # What has a schema of its own is no matter of this role.
    has_both = "id" in table.c and "project_id" in table.c
    return has_both and table.schema is None and isinstance(table.c.id.type, Uuid)


def _name(table: Table) -> str:
    """Return what one row of a table is called on record."""
    name = table.name
    if name.endswith("ies") and not name.endswith("series"):
        return f"{name.removesuffix('ies')}y"
    return name if name.endswith("series") else name.removesuffix("s")
