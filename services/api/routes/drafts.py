"""Drafts: open, look, finalize, give up."""

import json
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import Row

from segloop import schemas
from segloop.audit.record import record
from segloop.database import Connection, transaction
from segloop.masks.drafts import entry, finalize, replay, snapshots, start, table
from segloop.masks.drafts.changes import changes
from segloop.masks.drafts.grid import ras_grid
from segloop.volumes import table as volumes_table
from services.api.deps import ActorDep, ConnectionDep, PartsDep, require_uuid

router = APIRouter(tags=["drafts"])


@router.post("/volumes/{volume_id}/drafts", status_code=201)
def open_draft(
    volume_id: str, body: schemas.NewDraft, conn: ConnectionDep, actor: ActorDep, response: Response
) -> schemas.Draft:
    """Open a draft (201), or return the one that you have of this base mask (200)."""
    for value in (body.base_mask_id, body.label_set_id):
        require_uuid(volume_id if value is None else value)
    row, new = start.start(
        conn,
        volume_id=require_uuid(volume_id),
        base_mask_id=body.base_mask_id,
        label_set_id=body.label_set_id,
        actor=actor.name,
    )
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"/v1/drafts/{row.id}"
    return present(conn, row, actor.name)


@router.get("/volumes/{volume_id}/drafts")
def list_drafts(volume_id: str, conn: ConnectionDep, actor: ActorDep) -> schemas.Page[schemas.Draft]:
    """List everybody's drafts of a volume, newest first."""
    volumes_table.get(conn, require_uuid(volume_id))
    rows = table.list_by_volume(conn, volume_id)
    return schemas.Page(items=[present(conn, row, actor.name) for row in rows])


@router.get("/drafts/{draft_id}")
def get_draft(draft_id: str, conn: ConnectionDep, actor: ActorDep) -> schemas.Draft:
    """Return a draft and who else is at work on its volume."""
    return present(conn, table.get(conn, require_uuid(draft_id)), actor.name)


@router.get("/drafts/{draft_id}/levels/0")
def get_level(draft_id: str, parts: PartsDep, actor: ActorDep) -> Response:
    """Return the edited voxels as `/v1/masks/{id}/levels/0` does; X-Sequence and X-Hash say up to which edit."""
    with transaction(parts.engine) as conn:
        draft = table.get(conn, require_uuid(draft_id))
        record(
            conn,
            actor=actor.name,
            action="draft.read",
            object_type="draft",
            object_id=draft.id,
            project_id=draft.project_id,
        )
        found = replay.replay(conn, parts.store, draft)
    body = found.voxels.tobytes()
    if found.n_applied >= replay.SNAPSHOT_AFTER:
        snapshots.save(parts.store, draft, sequence=found.sequence, digest=found.hash, voxels=found.voxels)
    grid = ras_grid(draft)
    headers = {
        "X-Shape": json.dumps(list(grid.shape)),
        "X-Affine": json.dumps(grid.affine.tolist()),
        "X-Dtype": str(found.voxels.dtype.newbyteorder("=")),
        "X-Sequence": str(found.sequence),
        "X-Hash": found.hash,
        "Cache-Control": "no-store",
        "Content-Encoding": "identity",
    }
    return Response(body, media_type="application/octet-stream", headers=headers)


@router.get("/drafts/{draft_id}/changes")
def get_changes(draft_id: str, conn: ConnectionDep, parts: PartsDep, actor: ActorDep) -> schemas.DraftChanges:
    """Return which slices differ from the base mask, and what the draft's owner vouches for."""
    draft = table.get(conn, require_uuid(draft_id))
    return schemas.DraftChanges.model_validate(asdict(changes(conn, parts.store, draft)))


@router.post("/drafts/{draft_id}/finalize", status_code=201)
def finalize_draft(
    draft_id: str, body: schemas.Finalization, parts: PartsDep, actor: ActorDep, response: Response
) -> schemas.Mask:
    """Make the draft a new version of the mask (201); a repeat returns it again (200)."""
    mask, new = finalize.finalize(
        parts.engine,
        parts.store,
        require_uuid(draft_id),
        sequence=body.sequence,
        head_hash=body.hash,
        active_time_s=body.active_time_s,
        actor=actor.name,
        role_in=actor.role_in,
        scratch=parts.settings.scratch,
    )
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"/v1/masks/{mask.id}"
    return schemas.Mask.model_validate(mask)


@router.post("/drafts/{draft_id}/discard")
def discard_draft(draft_id: str, conn: ConnectionDep, actor: ActorDep) -> schemas.Draft:
    """Give a draft up; its edits stay on record."""
    start.discard(conn, require_uuid(draft_id), actor=actor.name)
    return present(conn, table.get(conn, draft_id), actor.name)


def present(conn: Connection, row: Row[Any], actor: str) -> schemas.Draft:
    """Return the draft as the API shows it to somebody."""
    others = table.list_others(conn, volume_id=row.volume_id, created_by=actor)
    values = {name: getattr(row, name) for name in schemas.Draft.model_fields if hasattr(row, name)}
    return schemas.Draft(
        **values,
        head=schemas.Head(**start.head_of(row)),
        others=[
            schemas.OtherDraft(draft_id=other.id, created_by=other.created_by, updated_at=other.updated_at)
            for other in others
            if other.id != row.id
        ],
        max_entry_bytes=entry.MAX_BYTES,
    )
