"""Finalize a draft: its edited voxels become a new mask whose parent is the base mask."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection, Engine, transaction
from segloop.errors import Conflict
from segloop.imaging.labels import LabelSet
from segloop.imaging.metrics import differences
from segloop.masks import save
from segloop.masks import table as masks_table
from segloop.masks.drafts import table
from segloop.masks.drafts.changes import reviewed_region
from segloop.masks.drafts.grid import onto_volume
from segloop.masks.drafts.replay import base_voxels, replay
from segloop.masks.drafts.start import closed, head_of, require_own
from segloop.storage import ObjectStore
from segloop.volumes import table as volumes_table
from segloop.volumes.upload import discard


def finalize(
    engine: Engine,
    store: ObjectStore,
    draft_id: str,
    *,
    sequence: int,
    head_hash: str,
    active_time_s: float | None,
    actor: str,
    role_in: Callable[[str], str],
    scratch: Path,
) -> tuple[Row[Any], bool]:
    """Return (the mask of this draft, whether it is new); the objects are stored first, then row and closing at once.

    `role_in` says what the actor is in a project. Two transactions, because a whole mask is written in between and nobody should wait for it on a lock.

    Raises:
        NotFound: `draft_unknown`; Forbidden: `draft_not_yours`.
        Conflict: `draft_conflict` when the head is another one, with the `head`; `draft_closed`, `draft_corrupt`.
    """
    with transaction(engine) as conn:
        draft = table.get(conn, draft_id)
        known = _known(conn, draft, sequence, head_hash, actor)
        if known is not None:
            return known, False
        stored, values = _store(conn, store, draft, scratch)
    mask, new = None, False
    try:
        with transaction(engine) as conn:
            draft = table.get(conn, draft_id, lock=True)
            mask = _known(conn, draft, sequence, head_hash, actor)
            if mask is None:
                mask = _insert(
                    conn,
                    draft,
                    stored,
                    actor=actor,
                    created_by_role=role_in(draft.project_id),
                    active_time_s=active_time_s,
                    **values,
                )
                new = True
    except Conflict:  # in the meantime the draft went on, or was given up
        discard(store, stored.prefix)
        raise
    if not new:
        discard(store, stored.prefix)
    return mask, new


def _known(conn: Connection, draft: Row[Any], sequence: int, head_hash: str, actor: str) -> Row[Any] | None:
    """Return the mask a draft became already, or None where it may be finalized now."""
    require_own(draft, actor)
    same_head = (draft.head_sequence, draft.head_hash) == (sequence, head_hash)
    if draft.state == "finalized" and same_head:
        return masks_table.get(conn, draft.mask_id)
    if draft.state != "open":
        raise closed(draft)
    if not same_head:
        raise Conflict(
            "draft_conflict",
            "This draft has other edits than this window shows; reload the page, look, and finalize again.",
            head=head_of(draft),
        )
    return None


def _store(
    conn: Connection, store: ObjectStore, draft: Row[Any], scratch: Path
) -> tuple[save.StoredMask, dict[str, Any]]:
    volume = volumes_table.get(conn, draft.volume_id)
    labels = LabelSet.from_dicts(draft.labels)
    edited = replay(conn, store, draft).voxels
    difference = differences(base_voxels(conn, store, draft), edited, labels)
    # Each try has a key of its own: one that fails takes back what it wrote, and never what another's mask names.
    stored = save.store_objects(
        store,
        key=f"masks/{draft.id}/{draft.head_sequence}-{secrets.token_hex(8)}",
        array=onto_volume(edited, draft),
        volume=volume,
        labels=labels,
        scratch=scratch,
    )
    return stored, {"difference": difference, "reviewed": reviewed_region(conn, store, draft)}


def _insert(
    conn: Connection, draft: Row[Any], stored: save.StoredMask, *, actor: str, **values: object
) -> Row[Any]:
    mask = save.insert(
        conn,
        stored,
        volume=volumes_table.get(conn, draft.volume_id),
        kind="correction",
        label_set_id=draft.label_set_id,
        actor=actor,
        parent_id=draft.base_mask_id,
        **values,
    )
    table.close(conn, draft.id, state="finalized", mask_id=mask.id)
    record(
        conn,
        actor=actor,
        action="draft.finalized",
        object_type="draft",
        object_id=draft.id,
        project_id=draft.project_id,
        mask_id=mask.id,
        sequence=draft.head_sequence,
    )
    return mask
