"""Volumes: list, show, read."""

import time
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from segloop import schemas
from segloop.accounts import tickets
from segloop.accounts.actor import Actor
from segloop.accounts.bearer import reference_of
from segloop.audit.record import record
from segloop.database import transaction
from segloop.imaging.thumbnail import thumbnail
from segloop.projects import table as projects_table
from segloop.volumes import table
from segloop.volumes.levels import read_level
from services.api import completion, content
from services.api.deps import (
    ActorDep,
    ConnectionDep,
    CursorDep,
    LimitDep,
    Parts,
    PartsDep,
    ReaderDep,
    next_cursor,
    require_uuid,
)

router = APIRouter(tags=["volumes"])


@router.get("/projects/{project}/volumes")
def list_volumes(
    project: str, conn: ConnectionDep, before: CursorDep, limit: LimitDep = 50
) -> schemas.Page[schemas.Volume]:
    """List a project's volumes, newest first."""
    rows = table.list_(
        conn,
        project_id=projects_table.get(conn, project).id,
        limit=limit,
        before=before,
    )
    return schemas.Page(
        items=[schemas.Volume.model_validate(row) for row in rows],
        next_cursor=next_cursor([(row.created_at, row.id) for row in rows], limit),
    )


@router.get("/volumes/{volume_id}")
def get_volume(volume_id: str, conn: ConnectionDep) -> schemas.Volume:
    """Return a volume's grid and origin."""
    return schemas.Volume.model_validate(table.get(conn, require_uuid(volume_id)))


@router.delete("/volumes/{volume_id}", status_code=204)
def withdraw_volume(volume_id: str, parts: PartsDep, actor: ActorDep) -> None:
    """Take back a volume that nothing was made of: no job, mask, draft or feedback. The gateway does so with a part of a series.

    A repeat is 404; 409 (`volume_in_use`) where something was made of it.
    """
    completion.withdraw(parts, require_uuid(volume_id), actor=actor.name)


@router.post("/volumes/{volume_id}/ticket")
def make_ticket(volume_id: str, conn: ConnectionDep, actor: ActorDep, parts: PartsDep) -> schemas.Ticket:
    """Make a short-lived ticket for reading this volume's content."""
    row = table.get(conn, require_uuid(volume_id))
    record(
        conn,
        actor=actor.name,
        action="volume.opened",
        object_type="volume",
        object_id=row.id,
        project_id=row.project_id,
    )
    return issue_ticket(parts, actor, row.id)


@router.get("/volumes/{volume_id}/content")
def get_content(
    volume_id: str,
    request: Request,
    parts: PartsDep,
    actor: ReaderDep,
) -> Response:
    """Return exactly the bytes that were uploaded."""
    with transaction(parts.engine) as conn:
        row = table.get(conn, require_uuid(volume_id))
        record(
            conn,
            actor=actor.name,
            action="volume.downloaded",
            object_type="volume",
            object_id=row.id,
            project_id=row.project_id,
        )
    suffix, media_type = (
        (".nii.gz", "application/gzip") if row.is_gzip else (".nii", "application/octet-stream")
    )
    return content.send(
        request,
        parts.store,
        row.object_key,
        size_bytes=row.size_bytes,
        etag=row.sha256,
        media_type=media_type,
        filename=f"volume-{row.id}{suffix}",
    )


@router.get("/volumes/{volume_id}/levels/{level}")
def get_level(
    volume_id: str,
    level: Annotated[int, Path(ge=0, le=2)],
    request: Request,
    parts: PartsDep,
    actor: ReaderDep,
) -> Response:
    """Return a viewer copy: RAS, x fastest, int16 HU little-endian; 0 is full, 1 half, 2 quarter resolution."""
    with transaction(parts.engine) as conn:
        row = table.get(conn, require_uuid(volume_id))
    parts.copies.require(row)
    return content.send_level(
        request,
        parts.store,
        row.object_key.rpartition("/")[0],
        level=level,
        etag=row.sha256,
    )


@router.get("/volumes/{volume_id}/thumbnail")
def get_thumbnail(
    volume_id: str,
    request: Request,
    parts: PartsDep,
    actor: ReaderDep,
) -> Response:
    """Return a small PNG of the middle slice, the patient's right on the left."""
    with transaction(parts.engine) as conn:
        row = table.get(conn, require_uuid(volume_id))
    etag = f'"{row.sha256}-thumbnail"'
    headers = {"ETag": etag, "Cache-Control": content.CHECKED}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    parts.copies.require(row)
    array, geometry = read_level(parts.store, row, level=2)
    return Response(
        thumbnail(array, geometry, is_hu_like=row.is_hu_like), media_type="image/png", headers=headers
    )


def issue_ticket(parts: Parts, actor: Actor, object_id: str) -> schemas.Ticket:
    """Return a ticket to read one object."""
    lifetime_s = parts.settings.ticket_lifetime_s
    ticket = tickets.issue(
        reference=reference_of(actor),
        object_id=object_id,
        scope="read",
        key=parts.settings.ticket_key,
        lifetime_s=lifetime_s,
    )
    return schemas.Ticket(
        ticket=ticket,
        expires_at=datetime.fromtimestamp(int(time.time()) + lifetime_s, UTC),
    )
