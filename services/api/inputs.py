"""The ways to name the CT of a segmentation: a volume, an upload, a series in a PACS, a series that a gateway has."""

from typing import Any

from segloop import schemas
from segloop.database import Connection, transaction
from segloop.errors import InvalidInput, NotFound
from segloop.jobs.job import Job, Priority
from segloop.masks import request as mask_request
from segloop.projects import table as projects_table
from segloop.studies import retrieve
from segloop.volumes import table as volumes_table
from services.api import completion
from services.api.deps import Parts, require_uuid

WAYS = ("volume_id", "upload_id", "dicomweb", "received_series_id")


def prepare(parts: Parts, given: schemas.JobInput, *, project_id: str, actor: str) -> schemas.JobInput:
    """Do what takes long, and so outside of a transaction: complete an upload. Returns what is to be segmented then.

    Raises:
        InvalidInput: `input_unclear` where it names no CT, or more than one; `upload_no_volume` for a mask's upload; as
            `completion.complete`.
        Conflict, NotFound: as `completion.complete`.
    """
    named = [way for way in WAYS if getattr(given, way) is not None]
    if len(named) != 1:
        raise InvalidInput(
            "input_unclear", f"Say which CT to segment by exactly one of input.{', input.'.join(WAYS)}."
        )
    if given.upload_id is None:
        return given
    with transaction(parts.engine) as conn:
        row = volumes_table.get_upload(conn, require_uuid(given.upload_id))
    if row.project_id != project_id:
        raise NotFound("upload_unknown", "There is no such upload; start a new one.")
    if row.purpose != "volume":
        raise InvalidInput("upload_no_volume", "This upload is a mask; name the upload of a CT.")
    volume, _ = completion.complete(parts, row.id, schemas.UploadCompletion(), actor=actor)
    return schemas.JobInput(volume_id=volume.id)


def segment(
    conn: Connection,
    parts: Parts,
    body: schemas.NewJob,
    given: schemas.JobInput,
    *,
    actor: str,
    idempotency_key: str | None,
) -> tuple[Job, bool]:
    """Submit the segmentation that `body` asks for, of what `prepare` gave; return (job, whether it is new).

    Raises:
        InvalidInput: `destinations_unused`.
    """
    wanted = body.parameters
    if wanted.destinations and given.dicomweb is None:
        raise InvalidInput(
            "destinations_unused",
            "Destinations are for a series that is fetched (input.dicomweb); a gateway's own rules say where others go.",
        )
    project = projects_table.get(conn, body.project_id)
    values: dict[str, Any] = {
        "actor": actor,
        "model_version_id": wanted.model_version_id,
        "priority": Priority.STAT if wanted.priority == "stat" else Priority.ROUTINE,
        "hu_confirmed": wanted.hu_confirmed,
        "hu_offset": wanted.hu_offset,
        "profile": wanted.profile,
        "again": wanted.again,
        "request": body.model_dump(),
        "idempotency_key": idempotency_key,
    }
    if given.dicomweb is not None:
        return retrieve.segment_from_pacs(
            conn,
            parts.identities,
            retrieve.InPacs(**given.dicomweb.model_dump()),
            project=project,
            pseudonym_key=parts.settings.pseudonym_key,
            destinations=wanted.destinations,
            **values,
        )
    if given.received_series_id is not None:
        series_id = require_uuid(given.received_series_id)
        return retrieve.segment_received(conn, parts.identities, series_id, project=project, **values)
    return mask_request.request(conn, project_id=project.id, volume_id=given.volume_id or "", **values)
