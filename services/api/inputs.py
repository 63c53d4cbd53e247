"""The ways to name the CT of a segmentation: a volume, a series in a PACS, a series that a gateway has."""

from typing import Any

from segloop import schemas
from segloop.database import Connection
from segloop.errors import InvalidInput
from segloop.jobs.job import Job, Priority
from segloop.masks import request as mask_request
from segloop.projects import table as projects_table
from segloop.studies import retrieve
from services.api.deps import Parts, require_uuid

WAYS = ("volume_id", "dicomweb", "received_series_id")


def segment(
    conn: Connection, parts: Parts, body: schemas.NewJob, *, actor: str, idempotency_key: str | None
) -> tuple[Job, bool]:
    """Submit a segmentation of the CT that `body.input` names; return (job, whether it is new).

    Raises:
        InvalidInput: `input_unclear` where it names none, or more than one; `destinations_unused`.
    """
    given, wanted = body.input, body.parameters
    named = [way for way in WAYS if getattr(given, way) is not None]
    if len(named) != 1:
        raise InvalidInput(
            "input_unclear", f"Say which CT to segment by exactly one of input.{', input.'.join(WAYS)}."
        )
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
