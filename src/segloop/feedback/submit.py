"""Give feedback on a mask: the verdict, and what the correction cost."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import InvalidInput
from segloop.feedback import table
from segloop.imaging.labels import LabelSet
from segloop.imaging.metrics import differences
from segloop.masks import table as masks_table
from segloop.masks import voxels
from segloop.masks.drafts import region
from segloop.masks.drafts.grid import ras_grid
from segloop.projects import table as projects_table
from segloop.storage import ObjectStore
from segloop.volumes import table as volumes_table


@dataclass(frozen=True)
class Verdict:
    """What a person says: accepted, corrected or rejected, why, and how good it was (1 to 5)."""

    verdict: str
    reason: str = ""
    notes: str = ""
    rating: int | None = None
    active_time_s: float | None = None
    reviewed: dict[str, Any] | None = None


def submit(
    conn: Connection,
    store: ObjectStore,
    *,
    mask_id: str,
    given: Verdict,
    actor: str,
    role: str,
    idempotency_key: str | None,
) -> tuple[Row[Any], bool]:
    """Record feedback in the caller's transaction and return (it, whether it is new); `role` is the actor's in the project.

    A corrected mask is compared with the one its corrections began from: voxels changed, Dice of each label, and their
    mean. Time and reviewed region are the correction's own unless stated. An accepted mask changed nothing, and an uploaded
    one is vouched for in the labels that it was annotated for; a rejected one in no part unless stated.

    Raises:
        NotFound: `mask_unknown`.
        InvalidInput: `correction_missing` when a mask that the actor did not correct is called corrected; `entry_invalid` for a
            reviewed region that doesn't fit; `idempotency_key_reused`.
    """
    digest = hashlib.sha256(json.dumps([mask_id, vars(given)], sort_keys=True).encode()).hexdigest()
    named = masks_table.get(conn, mask_id)
    mask = _correction(conn, named, actor) if given.verdict == "corrected" else named
    row = table.insert_feedback(
        conn,
        project_id=mask.project_id,
        created_by=actor,
        created_by_role=role,
        volume_id=mask.volume_id,
        mask_id=mask.id,
        verdict=given.verdict,
        reason=given.reason,
        notes=given.notes,
        rating=given.rating,
        reviewed=_reviewed(conn, mask, given),
        idempotency_key=idempotency_key,
        request_sha256=digest,
        **_effort(conn, store, mask, given),
    )
    if row is None:
        known = table.get_by_idempotency_key(
            conn, project_id=mask.project_id, created_by=actor, key=idempotency_key or ""
        )
        if known.request_sha256 != digest:
            raise InvalidInput(
                "idempotency_key_reused",
                "This Idempotency-Key was used for other feedback; use a new key for each.",
            )
        return known, False
    record(
        conn,
        actor=actor,
        action="feedback.given",
        object_type="feedback",
        object_id=row.id,
        project_id=row.project_id,
        mask_id=row.mask_id,
        verdict=row.verdict,
    )
    return row, True


def _correction(conn: Connection, mask: Row[Any], actor: str) -> Row[Any]:
    """Return the mask itself when it is the actor's correction, or the actor's newest correction of it."""
    if (mask.kind, mask.created_by) == ("correction", actor):
        return mask
    for other in masks_table.list_by_volume(conn, mask.volume_id):
        if (other.kind, other.parent_id, other.created_by) == ("correction", mask.id, actor):
            return other
    raise InvalidInput(
        "correction_missing",
        "You have not corrected this mask. Finalize your edit first, or give another verdict.",
    )


def _original(conn: Connection, mask: Row[Any]) -> Row[Any]:
    """Return the mask that a chain of corrections began from; a correction from nothing is its own origin."""
    while mask.kind == "correction" and mask.parent_id is not None:
        mask = masks_table.get(conn, mask.parent_id)
    return mask


def _reviewed(conn: Connection, mask: Row[Any], given: Verdict) -> dict[str, Any] | None:
    if given.reviewed is None:
        # Who rejects a mask vouches for no part of it, whatever the one who drew it said.
        reviewed: dict[str, Any] | None = None if given.verdict == "rejected" else mask.reviewed
        if reviewed is not None and mask.kind != "correction":
            reviewed = {**reviewed, "whole": True}  # an upload of some labels, now vouched for in every slice
        return reviewed
    grid = ras_grid(volumes_table.get(conn, mask.volume_id))
    return region.check(given.reviewed, shape=grid.shape, indices=_labels(conn, mask).indices)


def _effort(conn: Connection, store: ObjectStore, mask: Row[Any], given: Verdict) -> dict[str, Any]:
    if given.verdict != "corrected":
        unchanged = given.verdict == "accepted"
        return {
            "original_id": mask.id,
            "active_time_s": given.active_time_s,
            "voxels_changed": 0 if unchanged else None,
            "dice": 1.0 if unchanged else None,
        }
    original = _original(conn, mask)
    grid = ras_grid(volumes_table.get(conn, mask.volume_id))
    after = voxels.read(store, mask, grid=grid)
    # A correction that began from an empty mask is compared with just that.
    before = np.zeros_like(after) if original.id == mask.id else voxels.read(store, original, grid=grid)
    difference = differences(before, after, _labels(conn, mask))
    known = [item["dice"] for item in difference if item["dice"] is not None]
    return {
        "original_id": original.id,
        "active_time_s": mask.active_time_s if given.active_time_s is None else given.active_time_s,
        "voxels_changed": int(np.count_nonzero(before != after)),
        "dice": sum(known) / len(known) if known else None,
        "difference": difference,
    }


def _labels(conn: Connection, mask: Row[Any]) -> LabelSet:
    found = projects_table.get_label_set(conn, mask.label_set_id, project_id=mask.project_id)
    return LabelSet.from_dicts(found.labels)
