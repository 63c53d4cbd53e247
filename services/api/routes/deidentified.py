"""CTs for research, without whose they are."""

import hashlib
import hmac
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from segloop.accounts.actor import Actor
from segloop.audit.record import record
from segloop.database import Connection, transaction
from segloop.errors import NotFound
from segloop.feedback.origin import origin_of
from segloop.imaging.derive import EXPORT_FILE, MASK_FILE
from segloop.imaging.derive_ct import HEADERS
from segloop.masks import table as masks_table
from segloop.projects import table as projects_table
from segloop.volumes import table
from services.api.deps import ActorDep, Parts, PartsDep, require_uuid

router = APIRouter(tags=["volumes"])
NOTICE = "Research use only. Faces stay recognisable in a CT of the head; texts burned into images were not searched for."
_CHUNK_BYTES = 1 << 20


@router.get(
    "/volumes/{volume_id}/deidentified",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}},
)
def get_deidentified(
    volume_id: str,
    parts: PartsDep,
    actor: ActorDep,
    mask_id: Annotated[UUID | None, Query(description="A mask of it that goes along.")] = None,
) -> StreamingResponse:
    """Return a zip of the CT without whose it is: as DICOM, with the mask as Segmentation, or as NIfTI where it came so.

    Attributes are copied from an allow-list, UIDs are keyed hashes, dates and free texts are left out. **Faces stay recognisable.**
    Needs the permission `export`, and is recorded.
    """
    with transaction(parts.engine) as conn:
        row = table.get(conn, require_uuid(volume_id))
        actor.require_permission("export", row.project_id)
        pseudonym = table.get_patient(conn, row.patient_id).pseudonym
        mask = None if mask_id is None else _mask_of(conn, row, str(mask_id))
        labels, origin = ([], {}) if mask is None else _said_of(conn, mask)
    scratch = tempfile.TemporaryDirectory(dir=parts.settings.scratch, prefix="segloop-export-")
    folder = Path(scratch.name)
    try:
        with parts.sandbox.place():
            _fetch(parts, row, mask, folder)
            uid_key = hmac.digest(parts.settings.pseudonym_key.encode(), b"UIDs of exports", hashlib.sha256)
            arguments = {"pseudonym": pseudonym, "uid_key": uid_key.hex(), "labels": labels, "origin": origin}
            parts.sandbox.run("deidentified", folder, **arguments)
        _record(parts, row, mask, actor)
    except BaseException:
        scratch.cleanup()
        raise
    path = folder / "output" / EXPORT_FILE
    return StreamingResponse(
        _chunks(scratch, path),
        media_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="deidentified-{row.id}.zip"',
            "Content-Length": str(path.stat().st_size),
            "X-Notice": NOTICE,
            "Cache-Control": "private, no-store",
        },
    )


def _mask_of(conn: Connection, volume: Row[Any], mask_id: str) -> Row[Any]:
    mask = masks_table.get(conn, mask_id)
    if mask.volume_id != volume.id:
        raise NotFound("mask_unknown", "There is no such mask of this CT.")
    return mask


def _said_of(conn: Connection, mask: Row[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    label_set = projects_table.get_label_set(conn, mask.label_set_id, project_id=mask.project_id)
    return label_set.labels, origin_of(conn, mask)


def _fetch(parts: Parts, volume: Row[Any], mask: Row[Any] | None, folder: Path) -> None:
    parts.store.fetch(volume.object_key, folder / "input")
    if volume.source_key is not None and parts.identities is not None:
        (folder / HEADERS).write_bytes(parts.identities.read(volume.source_key))
    if mask is not None:
        parts.store.fetch(mask.object_key, folder / MASK_FILE)


def _record(parts: Parts, volume: Row[Any], mask: Row[Any] | None, actor: Actor) -> None:
    with transaction(parts.engine) as conn:
        record(
            conn,
            actor=actor.name,
            action="volume.deidentified",
            object_type="volume",
            object_id=volume.id,
            project_id=volume.project_id,
            mask_id=None if mask is None else mask.id,
        )


def _chunks(scratch: "tempfile.TemporaryDirectory[str]", path: Path) -> Iterator[bytes]:
    """Yield the file's bytes and then leave nothing of it."""
    with scratch, path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
