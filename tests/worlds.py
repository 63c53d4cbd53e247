"""Two projects with a row in every table: what is in one must not be seen from the other."""

import importlib
import pkgutil
import uuid
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

import segloop
from segloop.database import Connection, metadata

for module in pkgutil.walk_packages(segloop.__path__, "segloop."):
    if module.name.endswith(".table"):  # so that the metadata has every table
        importlib.import_module(module.name)

GRID = {"shape": [2, 2, 2], "affine": [1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0]}
LABELS = [{"index": 1, "name": "a", "color": "#cccccc", "snomed_code": None}]
# What the types alone don't say; the rest is filled in by type.
SAID: dict[str, dict[str, Any]] = {
    "label_sets": {"labels": LABELS},
    "volumes": {**GRID, "spacing_mm": [1.0, 1.0, 1.0], "orientation": "RAS"},
    "uploads": {"purpose": "volume", "volume_id": None},
    "jobs": {"kind": "segment", "queue": "segmentation", "state": "failed"},
    "masks": {"kind": "ground_truth", "model_version_id": None, "statistics": []},
    "drafts": {"mask_id": None},
    "draft_entries": {"operation": "brush", "body": b"x"},
    "feedback": {"verdict": "accepted"},
    "model_versions": {"orientation": "RAS"},
    "training_runs": {"kind": "quick_tune", "trigger": "manual"},
    "training_cases": {"origin": "accepted", "part": "training"},
    "evaluations": {"scores": {"frozen": [], "corrected": []}},
    "comparisons": {"outcome": "reject"},
    "memberships": {"role": "viewer"},
    "api_keys": {"role": "viewer"},
    "received_series": {"stage": "failed", "route": "c-store"},
    "gateway_orders": {"kind": "route", "payload": b"x"},
    "gateways": {
        "state": {
            "aet": "A",
            "version": "1",
            "host": "h",
            "port": 1,
            "destinations": [],
            "sources": [],
            "rules": [],
        }
    },
    "webhook_deliveries": {"event": "job.failed", "state": "dead"},
}
NO_PROJECT = {"people", "sessions", "sign_in_links", "gateways", "audit_seals"}
"""Tables of the installation as a whole."""


@dataclass
class World:
    """A project and one row of each table in it, by the table's name; every text in it begins with the slug."""

    slug: str
    rows: dict[str, Any] = field(default_factory=dict)

    @property
    def project_id(self) -> str:
        return str(self.rows["projects"].id)

    def id(self, table: str) -> str:
        return str(self.rows[table].id)


def make(conn: Connection, slug: str) -> World:
    """Insert the rows; `conn` is of the tables' owner."""
    world = World(slug)
    for table in sorted(metadata.sorted_tables, key=lambda one: one.name != "projects"):
        values = {column.name: _value(world, table, column) for column in table.columns}
        values = {name: value for name, value in values.items() if value is not _LEFT_OUT}
        values |= SAID.get(table.name, {})
        world.rows[table.name] = conn.execute(insert(table).values(**values).returning(table)).one()
    return world


_LEFT_OUT = object()


def _value(world: World, table: Table, column: Column[Any]) -> Any:
    for key in column.foreign_keys:
        if key.column.table is table:
            return None
        return world.rows[key.column.table.name]._mapping[key.column.name]
    if table.name == "audit_events" and column.name == "project_id":
        return world.project_id
    if column.server_default is not None or column.identity is not None or column.nullable:
        return _LEFT_OUT
    if isinstance(column.type, ARRAY):
        return []
    if isinstance(column.type, Text):
        # Names of people are lower-case, hashes and slugs are whatever.
        if column.name == "object_key":
            return f"{world.slug}/{table.name.replace('_', '-')}/x"
        return world.slug if column.name == "slug" else f"{world.slug}-{table.name}-{column.name}"
    if isinstance(column.type, Uuid):
        return str(uuid.uuid4())
    if isinstance(column.type, DateTime):
        return func.clock_timestamp()
    if isinstance(column.type, Boolean):
        return False
    if isinstance(column.type, LargeBinary):
        return b"x"
    if isinstance(column.type, JSONB):
        return {}
    assert isinstance(column.type, Integer | Float), column
    return int.from_bytes(uuid.uuid4().bytes[:3])


def count(conn: Connection, table: Table, world: World) -> int:
    """Return how many rows of a table somebody sees of a world."""
    mine = world.rows[table.name]
    same = [column == mine._mapping[column.name] for column in table.primary_key]
    return int(conn.execute(select(func.count()).select_from(table).where(*same)).scalar_one())
