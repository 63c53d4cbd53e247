"""Masks: list, show, read, statistics."""

from fastapi import APIRouter, Request, Response

from segloop import schemas
from segloop.audit.record import record
from segloop.database import transaction
from segloop.masks import table
from segloop.volumes import table as volumes_table
from services.api import content
from services.api.deps import ActorDep, ConnectionDep, PartsDep, ReaderDep, require_uuid
from services.api.routes.volumes import issue_ticket

router = APIRouter(tags=["masks"])


@router.get("/volumes/{volume_id}/masks")
def list_masks(volume_id: str, conn: ConnectionDep) -> schemas.Page[schemas.Mask]:
    """List a volume's masks, newest first."""
    volumes_table.get(conn, require_uuid(volume_id))
    rows = table.list_by_volume(conn, volume_id)
    return schemas.Page(items=[schemas.Mask.model_validate(row) for row in rows])


@router.get("/masks/{mask_id}")
def get_mask(mask_id: str, conn: ConnectionDep) -> schemas.Mask:
    """Return where a mask comes from."""
    return schemas.Mask.model_validate(table.get(conn, require_uuid(mask_id)))


@router.get("/masks/{mask_id}/statistics")
def get_statistics(mask_id: str, conn: ConnectionDep) -> schemas.MaskStatistics:
    """Return voxels and millilitres of each label."""
    row = table.get(conn, require_uuid(mask_id))
    return schemas.MaskStatistics(
        mask_id=row.id,
        labels=[schemas.LabelStatistics.model_validate(item) for item in row.statistics],
    )


@router.post("/masks/{mask_id}/ticket")
def make_ticket(mask_id: str, conn: ConnectionDep, actor: ActorDep, parts: PartsDep) -> schemas.Ticket:
    """Make a short-lived ticket for reading this mask's content."""
    row = table.get(conn, require_uuid(mask_id))
    record(
        conn,
        actor=actor.name,
        action="mask.opened",
        object_type="mask",
        object_id=row.id,
        project_id=row.project_id,
    )
    return issue_ticket(parts, actor, row.id)


@router.get("/masks/{mask_id}/content")
def get_content(
    mask_id: str,
    request: Request,
    parts: PartsDep,
    actor: ReaderDep,
) -> Response:
    """Return the mask as NIfTI on exactly its volume's grid."""
    with transaction(parts.engine) as conn:
        row = table.get(conn, require_uuid(mask_id))
        record(
            conn,
            actor=actor.name,
            action="mask.downloaded",
            object_type="mask",
            object_id=row.id,
            project_id=row.project_id,
        )
    return content.send(
        request,
        parts.store,
        row.object_key,
        size_bytes=row.size_bytes,
        etag=row.sha256,
        media_type="application/gzip",
        filename=f"mask-{row.id}.nii.gz",
        headers={"X-Notice": schemas.NOTICE},
    )


@router.get("/masks/{mask_id}/levels/0")
def get_level(
    mask_id: str,
    request: Request,
    parts: PartsDep,
    actor: ReaderDep,
) -> Response:
    """Return the viewer copy: RAS, x fastest, the labels' own type (X-Dtype)."""
    with transaction(parts.engine) as conn:
        row = table.get(conn, require_uuid(mask_id))
    return content.send_level(
        request,
        parts.store,
        row.object_key.rpartition("/")[0],
        level=0,
        etag=row.sha256,
    )
