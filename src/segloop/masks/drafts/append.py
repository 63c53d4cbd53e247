"""Append an entry to a draft: durable before the answer, idempotent, chained by hashes."""

import zlib
from typing import Any

from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import Conflict, InvalidInput
from segloop.masks.drafts import table
from segloop.masks.drafts.entry import Entry, chain, check
from segloop.masks.drafts.start import closed, head_of, require_own
from segloop.storage import ObjectStore

_MAX_ROW_BYTES = 256 << 10


def append(conn: Connection, store: ObjectStore, draft_id: str, entry: Entry, *, actor: str) -> bool:
    """Append an entry and return whether it is new; the same one again changes nothing.

    A large body is stored as an object under a key of its hash first, then the row. Never loads a volume.

    Raises:
        NotFound: `draft_unknown`; Forbidden: `draft_not_yours`.
        Conflict: `draft_conflict`, `draft_gap`, `draft_closed`, each with the `head`.
        InvalidInput: `entry_invalid`.
    """
    draft = table.get(conn, draft_id, lock=True)
    require_own(draft, actor)
    if entry.hash != chain(entry.parent_hash, entry.operation, entry.label, entry.body):
        raise InvalidInput(
            "entry_invalid", "This edit was damaged on its way (its hash differs); send it again."
        )
    if _is_known(conn, draft, entry):
        return False
    check(draft, entry)
    packed = zlib.compress(entry.body, 1)
    key = None
    if len(packed) > _MAX_ROW_BYTES:
        key = f"drafts/{draft_id}/entries/{entry.sequence}-{entry.hash[:32]}"
        store.put_bytes(key, packed)
    table.insert_entry(
        conn,
        draft_id=draft_id,
        sequence=entry.sequence,
        project_id=draft.project_id,
        created_by=actor,
        operation=entry.operation,
        label=entry.label,
        parent_hash=entry.parent_hash,
        hash=entry.hash,
        size_bytes=len(entry.body),
        body=None if key else packed,
        object_key=key,
    )
    record(
        conn,
        actor=actor,
        action="draft.entry_appended",
        object_type="draft",
        object_id=draft_id,
        project_id=draft.project_id,
        sequence=entry.sequence,
        operation=entry.operation,
    )
    return True


def _is_known(conn: Connection, draft: Row[Any], entry: Entry) -> bool:
    """Say whether exactly this entry is stored already; raise where it can't follow the head."""
    if 1 <= entry.sequence <= draft.head_sequence:
        known = table.find_entry(conn, draft.id, entry.sequence)
        if known is not None and known.hash == entry.hash:
            return True
    if draft.state != "open":
        raise closed(draft)
    head = head_of(draft)
    if entry.sequence > draft.head_sequence + 1:
        raise Conflict(
            "draft_gap",
            f"Edit {draft.head_sequence + 1} is missing; send the edits after the head again, in order.",
            head=head,
        )
    if entry.sequence <= draft.head_sequence or entry.parent_hash != draft.head_hash:
        raise Conflict(
            "draft_conflict",
            "Another window of yours has saved other edits here; reload the page to see them.",
            head=head,
        )
    return False
