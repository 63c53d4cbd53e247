"""Replay a draft: its base mask's voxels with every entry applied and checked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.database import Connection
from segloop.errors import Conflict
from segloop.imaging.labels import LabelSet
from segloop.masks import table as masks_table
from segloop.masks import voxels as mask_voxels
from segloop.masks.drafts import runs, snapshots, table
from segloop.masks.drafts.entry import chain, read_body
from segloop.masks.drafts.grid import label_type, ras_grid
from segloop.storage import ObjectStore

_BATCH = 200
SNAPSHOT_AFTER = 50
"""So many replayed entries are worth a snapshot."""


@dataclass(frozen=True)
class Replayed:
    """A draft's voxels, flat in RAS order, as of one entry; `n_applied` of its entries were not in a snapshot."""

    voxels: NDArray[np.unsignedinteger[Any]]
    sequence: int
    hash: str
    n_applied: int


def replay(conn: Connection, store: ObjectStore, draft: Row[Any], *, use_snapshot: bool = True) -> Replayed:
    """Return the voxels at the head of `draft` (a row of `table.get`), from the newest snapshot or the base mask.

    Every entry's hash is computed again and every `before` compared with the voxel it names.

    Raises:
        Conflict: `draft_corrupt` when an entry is missing or altered, or doesn't fit the voxels.
    """
    found = snapshots.newest(conn, store, draft) if use_snapshot else None
    if found is None:
        sequence, digest, voxels = 0, table.FIRST_PARENT, base_voxels(conn, store, draft)
    else:
        sequence, digest, voxels = found
    first = sequence
    while sequence < draft.head_sequence:
        rows = table.list_entries(conn, draft.id, after=sequence, until=draft.head_sequence, limit=_BATCH)
        if not rows:
            raise _corrupt(draft, sequence + 1)
        for row in rows:
            if row.sequence != sequence + 1 or not _apply(store, row, digest, voxels):
                raise _corrupt(draft, sequence + 1)
            sequence, digest = row.sequence, row.hash
    if digest != draft.head_hash:
        raise _corrupt(draft, sequence)
    return Replayed(voxels, sequence, digest, sequence - first)


def base_voxels(conn: Connection, store: ObjectStore, draft: Row[Any]) -> NDArray[np.unsignedinteger[Any]]:
    """Return the base mask's voxels, flat in RAS order, as a fresh array; zeros where there is no base."""
    dtype = label_type(LabelSet.from_dicts(draft.labels))
    grid = ras_grid(draft)
    if draft.base_mask_id is None:
        return np.zeros(int(np.prod(grid.shape, dtype=np.int64)), dtype)
    return mask_voxels.read(store, masks_table.get(conn, draft.base_mask_id), grid=grid).astype(dtype)


def _apply(store: ObjectStore, row: Row[Any], parent: str, voxels: NDArray[Any]) -> bool:
    body = read_body(store, row)
    if row.parent_hash != parent or row.hash != chain(parent, row.operation, row.label, body):
        return False
    return row.operation == "review" or runs.apply(voxels, np.frombuffer(body, runs.RUN))


def _corrupt(draft: Row[Any], sequence: int) -> Conflict:
    return Conflict(
        "draft_corrupt",
        f"Edit {sequence} of this draft doesn't fit the mask before it, so the draft can't be shown. Nothing is lost: "
        "tell operations its id, and go on in a new draft.",
        draft_id=draft.id,
        sequence=sequence,
    )
