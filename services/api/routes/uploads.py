"""Resumable uploads: announce, send parts in any order, complete."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from sqlalchemy import Row

from segloop import schemas
from segloop.database import Connection, transaction
from segloop.errors import Conflict, InvalidInput, NotFound
from segloop.imaging.derive import is_zip
from segloop.masks import save
from segloop.masks import table as masks_table
from segloop.projects import table as projects_table
from segloop.volumes import ingest, table, upload
from services.api import mask_import
from services.api.deps import ActorDep, ConnectionDep, Parts, PartsDep, require_uuid
from services.api.mask_import import LabelMap

router = APIRouter(tags=["uploads"])

Insert = Callable[[Connection], tuple[str, bool, str | None]]
"""Inserts the row of what is stored; returns its id, whether it is new, and the key of headers that nothing names any more."""


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
        volume_id=body.volume_id,
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

    Of a DICOM mask whose structures are not the project's labels by name (409 `mask_names`), complete it again with a
    `label_map`: the file needn't be sent again.
    """
    with transaction(parts.engine) as conn:
        row = table.get_upload(conn, require_uuid(upload_id))
        if row.state == "completed":
            response.status_code = 200
            return _result(conn, row)
        pieces = upload.list_complete(conn, row)
    try:
        result, new = _complete(parts, row, pieces, None if body is None else body.label_map, actor.name)
    except InvalidInput:
        # A file that can't become a volume is refused for good: its parts are not kept.
        with transaction(parts.engine) as conn:
            if table.get_upload(conn, upload_id, lock=True).state == "open":
                table.finish_upload(conn, upload_id, state="refused")
        upload.discard_parts(parts.store, upload_id)
        raise
    except NotFound:
        # Its parts are gone: another request has ended this upload in the meantime.
        with transaction(parts.engine) as conn:
            row = table.get_upload(conn, upload_id)
            if row.state != "completed":
                upload.require_open(row)
                raise
            result, new = _result(conn, row), False
    upload.discard_parts(parts.store, upload_id)
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


def _complete(
    parts: Parts, row: Row[Any], pieces: Sequence[Row[Any]], label_map: LabelMap | None, actor: str
) -> tuple[schemas.Volume | schemas.Mask, bool]:
    """Assemble, check and store without a transaction, for that takes long; then insert in a short one."""
    scratch = TemporaryDirectory(dir=parts.settings.scratch, prefix="segloop-upload-")
    with parts.sandbox.place(), scratch as folder:
        digest = upload.assemble(parts.store, pieces, Path(folder) / "input")
        if row.purpose == "mask":
            insert, prefix = _prepare_mask(parts, row, Path(folder), label_map, actor)
        else:
            insert, prefix = _prepare_volume(parts, row, Path(folder), digest, actor)
    new, stale = False, _source_key(prefix)
    try:
        with transaction(parts.engine) as conn:
            # Another request may have completed the same upload in the meantime.
            if table.get_upload(conn, row.id, lock=True).state != "completed":
                upload.require_open(table.get_upload(conn, row.id))
                result_id, new, stale = insert(conn)
                table.finish_upload(conn, row.id, state="completed", result_id=result_id)
            result = _result(conn, table.get_upload(conn, row.id))
    except (Conflict, InvalidInput):
        _take_back(parts, prefix, _source_key(prefix))
        raise
    _take_back(parts, None if new else prefix, stale)
    return result, new


def _source_key(prefix: str | None) -> str | None:
    return None if prefix is None else prefix.rpartition("/")[2]


def _take_back(parts: Parts, prefix: str | None, source_key: str | None) -> None:
    """Delete the objects and headers of a volume or mask that is not to be, or has others."""
    if prefix:
        upload.discard(parts.store, prefix)
    if source_key and parts.identities is not None:
        parts.identities.erase(source_key)


def _prepare_volume(
    parts: Parts, row: Row[Any], folder: Path, digest: str, actor: str
) -> tuple[Insert, str | None]:
    with transaction(parts.engine) as conn:
        known = table.find_by_sha256(conn, project_id=row.project_id, sha256=digest)
        if known is not None:
            key = parts.settings.pseudonym_key
            named = row.patient_reference_hmac
            ingest.require_same_patient(conn, known, named=named, pseudonym_key=key)
    if known is not None:
        return lambda conn: (known.id, False, None), None
    if is_zip(folder / "input") and parts.identities is None:
        raise InvalidInput(
            "dicom_not_set_up",
            "This installation takes no DICOM: it has no identity store. Upload the CT as NIfTI, or ask operations.",
        )
    stored = ingest.store_objects(
        parts.store,
        parts.sandbox,
        folder,
        digest=digest,
        upload_id=row.id,
        pseudonym_key=parts.settings.pseudonym_key,
        default_issuer=parts.settings.default_issuer,
    )
    if stored.headers is not None and parts.identities is not None:
        # First the headers, then the row that names them: headers that nothing names are swept, a row without them is lost.
        assert stored.source_key is not None
        try:
            parts.identities.save(
                stored.headers,
                identity=stored.identity,
                source_key=stored.source_key,
                project_id=row.project_id,
                actor=actor,
            )
        except BaseException:
            upload.discard(parts.store, stored.prefix)
            raise

    def insert(conn: Connection) -> tuple[str, bool, str | None]:
        key = parts.settings.pseudonym_key
        volume, new = ingest.insert(conn, stored, upload=row, actor=actor, pseudonym_key=key)
        # Only newer headers take the place of others: the same voxels as NIfTI name nobody.
        return volume.id, new, None if new or stored.headers is None else volume.source_key

    return insert, stored.prefix


def _prepare_mask(
    parts: Parts, row: Row[Any], folder: Path, label_map: LabelMap | None, actor: str
) -> tuple[Insert, str | None]:
    stored, values = mask_import.store(parts, row, folder, label_map)

    def insert(conn: Connection) -> tuple[str, bool, str | None]:
        return save.insert(conn, stored, actor=actor, **values).id, True, None

    return insert, stored.prefix


def _result(conn: Connection, row: Row[Any]) -> schemas.Volume | schemas.Mask:
    if row.purpose == "mask":
        return schemas.Mask.model_validate(masks_table.get(conn, row.result_id))
    return schemas.Volume.model_validate(table.get(conn, row.result_id))


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
