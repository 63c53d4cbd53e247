"""What a draft has changed so far: its edited slices, and the region that its owner vouches for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.database import Connection
from segloop.imaging.labels import LabelSet
from segloop.masks import table as masks_table
from segloop.masks.drafts import region, table
from segloop.masks.drafts.entry import read_body
from segloop.masks.drafts.grid import ras_grid
from segloop.masks.drafts.replay import base_voxels, replay
from segloop.projects import table as projects_table
from segloop.storage import ObjectStore


@dataclass(frozen=True)
class Changes:
    """A draft against its base mask, as of one entry; `edited` has slice ranges by plane (RAS order, inclusive)."""

    sequence: int
    hash: str
    edited: dict[str, list[list[int]]]
    voxels_changed: int
    reviewed: dict[str, Any] | None


def changes(conn: Connection, store: ObjectStore, draft: Row[Any]) -> Changes:
    """Return what differs from the base mask at the head of `draft` (a row of `table.get`).

    Raises:
        Conflict: `draft_corrupt`.
    """
    reviewed = reviewed_region(conn, store, draft)
    if draft.head_sequence == 0:
        return Changes(0, draft.head_hash, {plane: [] for plane in region.AXES}, 0, reviewed)
    now = replay(conn, store, draft)
    differs = (now.voxels != base_voxels(conn, store, draft)).reshape(ras_grid(draft).shape, order="F")
    edited = {
        plane: _ranges(differs.any(axis=tuple(other for other in range(3) if other != axis)))
        for axis, plane in enumerate(region.AXES)
    }
    return Changes(now.sequence, now.hash, edited, int(np.count_nonzero(differs)), reviewed)


def reviewed_region(conn: Connection, store: ObjectStore, draft: Row[Any]) -> dict[str, Any] | None:
    """Return the newest region that the draft's owner vouched for.

    Before they said anything it is what was vouched for of the base mask, so that going on with a correction that was
    reviewed in part, or with ground truth of some labels, neither loses nor adds any of it. None where there is nothing.
    """
    entry = table.find_newest(conn, draft.id, operation="review")
    if entry is None:
        return _vouched_before(conn, draft)
    indices = LabelSet.from_dicts(draft.labels).indices
    return region.parse(read_body(store, entry), shape=ras_grid(draft).shape, indices=indices)


def _vouched_before(conn: Connection, draft: Row[Any]) -> dict[str, Any] | None:
    if draft.base_mask_id is None:
        return None
    base = masks_table.get(conn, draft.base_mask_id)
    reviewed = base.reviewed
    if reviewed is None and base.kind == "ground_truth":
        reviewed = {"whole": True}
    if reviewed is None:
        return None
    known = projects_table.get_label_set(conn, base.label_set_id, project_id=base.project_id)
    indices = LabelSet.from_dicts(draft.labels).indices
    before = LabelSet.from_dicts(known.labels).indices
    if reviewed.get("labels") is None and set(before) != set(indices):
        reviewed = {**reviewed, "labels": list(before)}  # nobody has looked for a label that was added later
    return region.check(reviewed, shape=ras_grid(draft).shape, indices=indices)


def _ranges(slices: NDArray[np.bool_]) -> list[list[int]]:
    """Return the runs of true values as [first, last]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], slices.astype(np.int8), [0]])))
    return [[int(first), int(stop) - 1] for first, stop in edges.reshape(-1, 2)]
