"""SQL that finds a project's cases: for each volume the newest mask that somebody vouched for."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CTE, Float, Row, cast, func, literal, or_, select, union_all
from sqlalchemy.dialects.postgresql import JSONPATH

from segloop.database import Connection
from segloop.feedback.table import feedback
from segloop.jobs.table import jobs
from segloop.masks.table import masks
from segloop.projects.table import label_sets
from segloop.volumes.table import patients, volumes


def list_newest(conn: Connection, *, project_id: str, with_untouched: bool = True) -> Sequence[Row[Any]]:
    """Return one row for each volume with a mask that counts, oldest decision first.

    What counts: a mask whose newest verdict is accepted or corrected, and uploaded ground truth that nobody rejected. Of
    several the mask made last counts, so that another word on an earlier one doesn't undo its correction. A version's output
    that nobody changed (`is_untouched`), accepted as it is or finalized without an edit, counts `with_untouched` only.
    `hu_offset` is what the volume's newest job was told to add (0 where its values were confirmed to be HU), None where
    nobody said.
    """
    untouched = _untouched(project_id)
    newest = (
        select(feedback)
        .where(feedback.c.project_id == project_id)
        .distinct(feedback.c.mask_id)
        .order_by(feedback.c.mask_id, feedback.c.created_at.desc(), feedback.c.id.desc())
        .subquery()
    )
    judged = select(
        newest.c.mask_id,
        newest.c.volume_id,
        newest.c.verdict.label("origin"),
        newest.c.reviewed,
        newest.c.created_at.label("decided_at"),
        newest.c.created_by.label("decided_by"),
    ).where(newest.c.verdict != "rejected")
    uploaded = select(
        masks.c.id.label("mask_id"),
        masks.c.volume_id,
        literal("ground_truth").label("origin"),
        masks.c.reviewed,
        masks.c.created_at.label("decided_at"),
        masks.c.created_by.label("decided_by"),
    ).where(
        masks.c.project_id == project_id,
        masks.c.kind == "ground_truth",
        masks.c.id.not_in(select(newest.c.mask_id)),
    )
    both = union_all(judged, uploaded).subquery()
    is_untouched = both.c.mask_id.in_(select(untouched.c.id))
    last = (
        select(both, masks.c.kind, is_untouched.label("is_untouched"))
        .join(masks, masks.c.id == both.c.mask_id)
        .where(literal(with_untouched) | ~is_untouched)
        .distinct(both.c.volume_id)
        .order_by(both.c.volume_id, masks.c.created_at.desc(), masks.c.id.desc())
        .subquery()
    )
    stated = cast(jobs.c.parameters["hu_offset"].astext, Float)
    confirmed = jobs.c.parameters["hu_confirmed"].astext == "true"
    offset = (
        select(func.coalesce(stated, 0.0))
        .where(jobs.c.volume_id == last.c.volume_id, jobs.c.kind == "segment")
        .where(or_(stated.is_not(None), confirmed))
        .order_by(jobs.c.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(
            last,
            volumes.c.patient_id,
            volumes.c.case_reference,
            volumes.c.is_hu_like,
            volumes.c.sha256.label("volume_sha256"),
            patients.c.is_known.label("patient_known"),
            masks.c.sha256.label("mask_sha256"),
            masks.c.statistics,
            masks.c.label_set_id,
            label_sets.c.labels,
            offset.label("hu_offset"),
        )
        .join(volumes, volumes.c.id == last.c.volume_id)
        .join(patients, patients.c.id == volumes.c.patient_id)
        .join(masks, masks.c.id == last.c.mask_id)
        .join(label_sets, label_sets.c.id == masks.c.label_set_id)
        .order_by(last.c.decided_at, last.c.volume_id)
    )
    return conn.execute(query).all()


def list_rejected(conn: Connection, mask_ids: Sequence[str]) -> set[str]:
    """Return those of these masks whose newest verdict is a rejection."""
    newest = (
        select(feedback.c.mask_id, feedback.c.verdict)
        .where(feedback.c.mask_id.in_(mask_ids))
        .distinct(feedback.c.mask_id)
        .order_by(feedback.c.mask_id, feedback.c.created_at.desc(), feedback.c.id.desc())
        .subquery()
    )
    query = select(newest.c.mask_id).where(newest.c.verdict == "rejected")
    return {str(mask) for mask in conn.execute(query).scalars()}


def _untouched(project_id: str) -> CTE:
    """Return the predictions of a project, and corrections that changed no voxel of one."""
    found = (
        select(masks.c.id)
        .where(masks.c.project_id == project_id, masks.c.kind == "prediction")
        .cte("untouched", recursive=True)
    )
    changed = func.jsonb_path_exists(
        masks.c.difference, cast("$[*] ? (@.voxels_added > 0 || @.voxels_removed > 0)", JSONPATH)
    )
    return found.union_all(
        select(masks.c.id)
        .join(found, masks.c.parent_id == found.c.id)
        .where(masks.c.kind == "correction", masks.c.difference.is_not(None), ~changed)
    )
