"""SQL that counts feedback: by verdict, annotator, label and age."""

from typing import Any

from sqlalchemy import ColumnElement, Float, Label, Text, case, cast, func, select, true
from sqlalchemy.dialects.postgresql import JSONB

from segloop.database import Connection
from segloop.feedback.table import feedback

VERDICTS = ("accepted", "corrected", "rejected")
AGES_DAYS = (1, 7, 30, 90)
"""Feedback is counted by its age in steps: up to this many days, then older."""


def count_by_verdict(conn: Connection, *, project_id: str) -> dict[str, Any]:
    """Return the sums over all feedback of a project."""
    return _rows(conn, project_id, None)[0]


def count_by_annotator(conn: Connection, *, project_id: str) -> list[dict[str, Any]]:
    """Return the sums of each person, by name."""
    return _rows(conn, project_id, feedback.c.created_by.label("created_by"))


def count_by_age(conn: Connection, *, project_id: str) -> list[dict[str, Any]]:
    """Return the sums of each step of age that has any, newest first; `days` is None for the oldest."""
    age = func.now() - feedback.c.created_at
    steps = [(age <= func.make_interval(0, 0, 0, days), days) for days in AGES_DAYS]
    return _rows(conn, project_id, case(*steps, else_=None).label("days"))


def count_by_label(conn: Connection, *, project_id: str) -> list[dict[str, Any]]:
    """Return for each label of corrected masks how often it was changed, by how many voxels, and its mean Dice."""
    item = func.jsonb_array_elements(feedback.c.difference).table_valued("value").alias("item")
    value = cast(item.c.value, JSONB)
    changed = value["voxels_added"].astext.cast(Float) + value["voxels_removed"].astext.cast(Float)
    name = value["name"].astext.cast(Text)
    query = (
        select(
            name.label("name"),
            func.count().label("n_corrected"),
            func.count().filter(changed > 0).label("n_changed"),
            func.sum(changed).label("voxels_changed"),
            func.avg(value["dice"].astext.cast(Float)).label("mean_dice"),
        )
        .select_from(feedback)
        .join(item, true())
        .where(feedback.c.project_id == project_id, feedback.c.difference.is_not(None))
        .group_by(name)
        .order_by(name)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def _rows(conn: Connection, project_id: str, group: Label[Any] | None) -> list[dict[str, Any]]:
    counts: list[ColumnElement[Any]] = [
        func.count().filter(feedback.c.verdict == verdict).label(verdict) for verdict in VERDICTS
    ]
    query = select(
        func.count().label("total"),
        *counts,
        func.avg(feedback.c.active_time_s).label("mean_active_time_s"),
        func.avg(feedback.c.voxels_changed).cast(Float).label("mean_voxels_changed"),
        func.avg(feedback.c.dice).label("mean_dice"),
        func.avg(feedback.c.rating).cast(Float).label("mean_rating"),
    ).where(feedback.c.project_id == project_id)
    if group is not None:
        query = query.add_columns(group).group_by(group.element).order_by(group.element)
    return [dict(row) for row in conn.execute(query).mappings()]
