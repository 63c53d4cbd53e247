"""Open a draft on a base mask, or on nothing, and give one up."""

from typing import Any

from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import Conflict, Forbidden, InvalidInput
from segloop.imaging.labels import LabelSet
from segloop.masks import table as masks_table
from segloop.masks.drafts import table
from segloop.projects import table as projects_table
from segloop.volumes import table as volumes_table


def start(
    conn: Connection,
    *,
    volume_id: str,
    base_mask_id: str | None,
    label_set_id: str | None,
    actor: str,
) -> tuple[Row[Any], bool]:
    """Return (the actor's open draft of this base mask, whether it is new); no base mask means an empty one.

    The label set is the base mask's unless a later one is asked for; without a base it is the project's newest.
    A draft that is open keeps the label set it has.

    Raises:
        NotFound: `volume_unknown`, `mask_unknown` (also for another volume's mask), `label_set_unknown`.
        InvalidInput: `label_set_missing`; Conflict: `label_set_changed` when it lacks a label of the base's.
    """
    volume = volumes_table.get(conn, volume_id)
    label_set = _label_set(conn, volume, base_mask_id=base_mask_id, label_set_id=label_set_id)
    row = table.insert_draft(
        conn,
        project_id=volume.project_id,
        created_by=actor,
        volume_id=volume.id,
        base_mask_id=base_mask_id,
        label_set_id=label_set.id,
    )
    if row is None:
        known = table.find_open(conn, volume_id=volume.id, base_mask_id=base_mask_id, created_by=actor)
        if known is None:  # closed between the two statements
            raise Conflict("draft_closed", "This draft was just closed in another window; open it again.")
        return known, False
    record(
        conn,
        actor=actor,
        action="draft.opened",
        object_type="draft",
        object_id=row.id,
        project_id=row.project_id,
        volume_id=row.volume_id,
        base_mask_id=base_mask_id,
    )
    return row, True


def discard(conn: Connection, draft_id: str, *, actor: str) -> None:
    """Give a draft up; its entries stay on record, and a repeat changes nothing.

    Raises:
        NotFound: `draft_unknown`; Forbidden: `draft_not_yours`; Conflict: `draft_closed` when it is finalized.
    """
    draft = table.get(conn, draft_id, lock=True)
    require_own(draft, actor)
    if draft.state == "discarded":
        return
    if draft.state != "open":
        raise closed(draft)
    table.close(conn, draft_id, state="discarded")
    record(
        conn,
        actor=actor,
        action="draft.discarded",
        object_type="draft",
        object_id=draft_id,
        project_id=draft.project_id,
        sequence=draft.head_sequence,
    )


def require_own(draft: Row[Any], actor: str) -> None:
    """Check that it is the actor's own draft.

    Raises:
        Forbidden: `draft_not_yours`.
    """
    if draft.created_by != actor:
        raise Forbidden(
            "draft_not_yours", "Another person is making this draft; open one of your own to edit this mask."
        )


def head_of(draft: Row[Any]) -> dict[str, Any]:
    """Return the last entry's sequence (0 before the first) and hash."""
    return {"sequence": draft.head_sequence, "hash": draft.head_hash}


def closed(draft: Row[Any]) -> Conflict:
    """Return the error of a draft that takes no more."""
    return Conflict(
        "draft_closed",
        f"This draft is {draft.state} already; open the mask again to go on editing.",
        head=head_of(draft),
        state=draft.state,
        mask_id=draft.mask_id,
    )


def _label_set(
    conn: Connection, volume: Row[Any], *, base_mask_id: str | None, label_set_id: str | None
) -> Row[Any]:
    project_id = volume.project_id
    base = None
    if base_mask_id is not None:
        mask = masks_table.get(conn, base_mask_id)
        if mask.volume_id != volume.id:
            raise masks_table.unknown()
        base = projects_table.get_label_set(conn, mask.label_set_id, project_id=project_id)
    if label_set_id is not None:
        wanted = projects_table.get_label_set(conn, label_set_id, project_id=project_id)
        if base is not None:
            LabelSet.from_dicts(wanted.labels).require_extends(LabelSet.from_dicts(base.labels))
        return wanted
    if base is not None:
        return base
    known = projects_table.list_label_sets(conn, project_id=project_id)
    if not known:
        raise InvalidInput("label_set_missing", "This project has no label set yet; append one first.")
    return known[0]
