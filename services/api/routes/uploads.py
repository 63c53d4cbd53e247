"""Resumable uploads: announce, send parts in any order, complete."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from sqlalchemy import Row

from segloop import schemas
from segloop.database import Connection, transaction
from segloop.errors import InvalidInput
from segloop.projects import table as projects_table
from segloop.volumes import table, upload
from services.api import completion, mask_import
from services.api.deps import ActorDep, ConnectionDep, PartsDep, require_uuid

router = APIRouter(tags=["uploads"])


@router.post("/projects/{project}/uploads", status_code=201)
def start_upload(
    project: str,
    body: schemas.NewUpload,
    conn: ConnectionDep,
    actor: ActorDep,
    parts: PartsDep,
    response: Response,
) -> schemas.Upload:
    """Announce a file; the answer says how to cut it into parts."""
    project_id = projects_table.get(conn, project).id
    is_mask = body.purpose == "mask"
    options = mask_import.options_of(conn, body, project_id=project_id) if is_mask else {}
    row = upload.start(
        conn,
        project_id=project_id,
        actor=actor.name,
        purpose=body.purpose,
        size_bytes=body.size_bytes,
        part_bytes=parts.settings.part_bytes,
        max_bytes=parts.settings.max_upload_bytes,
        pseudonym_key=parts.settings.pseudonym_key,
        patient_reference=body.patient_reference,
        case_reference=body.case_reference,
        volume_id=body.volume_id if is_mask else None,
        options=options,
    )
    response.headers["Location"] = f"/v1/uploads/{row.id}"
    return _present(conn, row)


@router.get("/uploads/{upload_id}")
def get_upload(upload_id: str, conn: ConnectionDep) -> schemas.Upload:
    """Say which parts have arrived, to go on after a break."""
    return _present(conn, table.get_upload(conn, require_uuid(upload_id)))


async def part_body(request: Request, parts: PartsDep, actor: ActorDep) -> bytes:
    """Read the body of one part, refusing more than a part may have."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > parts.settings.part_bytes:
            raise InvalidInput(
                "part_size",
                f"A part may have {parts.settings.part_bytes} bytes at most.",
            )
    return bytes(body)


@router.put("/uploads/{upload_id}/parts/{number}")
def put_part(
    upload_id: str,
    number: int,
    actor: ActorDep,
    parts: PartsDep,
    body: Annotated[bytes, Depends(part_body)],
    x_content_sha256: Annotated[str | None, Header(max_length=64)] = None,
) -> schemas.Upload:
    """Store one part (numbered from 1); sending it again replaces it."""
    with transaction(parts.engine) as conn:
        row = table.get_upload(conn, require_uuid(upload_id))
    saved = upload.store_part(parts.store, row, number, body, sha256=x_content_sha256)
    with transaction(parts.engine) as conn:
        upload.require_open(table.get_upload(conn, upload_id, lock=True))
        table.save_part(conn, **saved)
        return _present(conn, row)


@router.post(
    "/uploads/{upload_id}/complete",
    status_code=201,
    response_model=schemas.Volume | schemas.Mask,
)
def complete_upload(
    upload_id: str,
    actor: ActorDep,
    parts: PartsDep,
    response: Response,
    body: schemas.UploadCompletion | None = None,
) -> Any:
    """Check the file and make it a volume or a mask: 201, or 200 when the project has these bytes already.

    Of a DICOM mask that is to be ground truth and says of itself that a program made it or nobody reviewed it (409
    `mask_unreviewed`), complete it again with the `mask_kind` that it is. Of one whose structures are not the project's labels by name (409 `mask_names`), complete it again with a
    `label_map`: the file needn't be sent again.
    """
    answer = body or schemas.UploadCompletion()
    result, new = completion.complete(
        parts, require_uuid(upload_id), answer, actor=actor.name, role_in=actor.role_in
    )
    response.status_code = 201 if new else 200
    return result


@router.delete("/uploads/{upload_id}", status_code=204)
def abort_upload(upload_id: str, actor: ActorDep, parts: PartsDep) -> None:
    """Give up an upload and delete what has arrived."""
    with transaction(parts.engine) as conn:
        upload.abort(conn, require_uuid(upload_id), actor=actor.name)
        is_over = table.get_upload(conn, upload_id).state != "open"
    if is_over:
        upload.discard_parts(parts.store, upload_id)


def _present(conn: Connection, row: Row[Any]) -> schemas.Upload:
    received = [part.number for part in table.list_parts(conn, row.id)]
    return schemas.Upload(
        id=row.id,
        project_id=row.project_id,
        purpose=row.purpose,
        state=row.state,
        size_bytes=row.size_bytes,
        part_bytes=row.part_bytes,
        n_parts=upload.count_parts(row),
        received=received,
        result_id=row.result_id,
    )
