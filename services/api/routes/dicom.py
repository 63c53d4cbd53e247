"""Masks as DICOM, for volumes that came as DICOM."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response

from segloop import schemas
from segloop.audit.record import record
from segloop.database import transaction
from segloop.errors import Conflict, InvalidInput
from segloop.feedback.origin import origin_of
from segloop.imaging.derive import CT, RESULT_FILE
from segloop.imaging.derive_ct import HEADERS
from segloop.imaging.dicom.result import Form
from segloop.masks import table
from segloop.projects import table as projects_table
from segloop.volumes import table as volumes_table
from services.api import content
from services.api.deps import ActorDep, PartsDep, require_uuid

router = APIRouter(tags=["dicom"])


@router.get(
    "/masks/{mask_id}/dicom/{form}",
    response_class=Response,
    responses={
        200: {"content": {"application/dicom": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The object is as the ETag in If-None-Match says"},
    },
)
def get_result(
    mask_id: str,
    form: Form,
    parts: PartsDep,
    actor: ActorDep,
    deflated: Annotated[
        bool, Query(description="As deflated little endian: far smaller, and not read by every PACS.")
    ] = False,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Return the mask as a DICOM object of its CT's study; the same mask and form give the same object.

    304 when it still is as If-None-Match says: then nothing is made. A review that changes what it says changes its ETag.
    It names the patient, so it needs the permission `identity`, and a ticket to the mask doesn't open it.
    """
    if deflated and not form.can_deflate:
        forms = " and ".join(one for one in Form if one.can_deflate)
        raise InvalidInput("not_deflatable", f"Only {forms} can be deflated; ask for {form} without it.")
    with transaction(parts.engine) as conn:
        row = table.get(conn, require_uuid(mask_id))
        volume = volumes_table.get(conn, row.volume_id)
        label_set = projects_table.get_label_set(conn, row.label_set_id, project_id=row.project_id)
        origin = origin_of(conn, row)
    if volume.source_key is None or parts.identities is None:
        raise Conflict(
            "not_dicom",
            "This CT was not uploaded as DICOM, so nothing is known of its study. Download the mask as NIfTI, or upload the "
            "CT's DICOM files.",
        )
    tag = _tag(origin, label_set.labels, volume.source_key, form, deflated)
    common = {"ETag": tag, "Cache-Control": "private, no-store"}
    if if_none_match is not None and content.names(if_none_match, tag):
        return Response(status_code=304, headers=common)
    headers = parts.identities.read(volume.source_key)
    scratch = tempfile.TemporaryDirectory(dir=parts.settings.scratch, prefix="segloop-result-")
    with parts.sandbox.place(), scratch as name:
        folder = Path(name)
        (folder / HEADERS).write_bytes(headers)
        parts.store.fetch(row.object_key, folder / "input")
        if form.needs_ct:
            parts.store.fetch(volume.object_key, folder / CT)
        parts.sandbox.run(
            "result", folder, form=form, labels=label_set.labels, origin=origin, deflated=deflated
        )
        body = (folder / "output" / RESULT_FILE).read_bytes()
    with transaction(parts.engine) as conn:
        record(
            conn,
            actor=actor.name,
            action="mask.exported",
            object_type="mask",
            object_id=row.id,
            project_id=row.project_id,
            form=form,
        )
    return Response(
        body,
        media_type="application/dicom",
        headers={
            "Content-Disposition": f'attachment; filename="mask-{row.id}-{form}.dcm"',
            "X-Notice": schemas.NOTICE,
            **common,
        },
    )


def _tag(*said: Any) -> str:
    """Return the strong ETag of an object: of all that it is made of."""
    return f'"{hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()}"'
