"""Whose CT it is. Names go in bodies only: addresses end up in logs."""

from typing import Any

from fastapi import APIRouter, BackgroundTasks, Request, Response

from segloop import schemas
from segloop.accounts.roles import Role
from segloop.imaging.dicom.identity import Identity
from segloop.studies import identify as studies_identify
from segloop.volumes import identify
from services.api import objects
from services.api.deps import ActorDep, ConnectionDep, PartsDep

router = APIRouter(tags=["identities"])
_NO_STORE = "no-store"


def told(identity: Identity | None) -> dict[str, Any]:
    """Return what an answer says of an identity, or of one that can't be read."""
    return {"is_unreadable": True} if identity is None else identity.to_dict()


@router.post("/identities")
def look_at_identities(
    body: schemas.IdentityQuery,
    conn: ConnectionDep,
    actor: ActorDep,
    parts: PartsDep,
    request: Request,
    response: Response,
    after: BackgroundTasks,
) -> schemas.Identities:
    """Tell whose CTs these are; needs the permission `identity`, and each one told is recorded."""
    wanted = [str(volume_id) for volume_id in body.volume_ids]
    found = identify.look(conn, parts.identities, wanted, actor=actor)
    others = studies_identify.look_at_volumes(conn, parts.identities, set(wanted) - set(found), actor=actor)
    found = {one: {**found, **others}[one] for one in dict.fromkeys(wanted) if one in found or one in others}
    if len(found) < len(set(wanted)):
        after.add_task(parts.refusals.note_left_out, request)
    response.headers["Cache-Control"] = _NO_STORE
    return schemas.Identities(
        items=[
            schemas.VolumeIdentity.model_validate({"volume_id": volume_id, **told(identity)})
            for volume_id, identity in found.items()
        ]
    )


@router.post("/identities/search")
def search_identities(
    body: schemas.IdentitySearch,
    conn: ConnectionDep,
    actor: ActorDep,
    parts: PartsDep,
    response: Response,
) -> schemas.FoundVolumes:
    """Find a patient's CTs by a whole ID or accession number, or by the beginnings of a name; recorded without the text."""
    project_id = objects.require(conn, actor, "project", body.project, Role.VIEWER)
    assert project_id is not None
    actor.require_permission("identity", project_id)
    found, is_complete = identify.search(
        conn, parts.identities, body.text, project_id=project_id, actor=actor
    )
    response.headers["Cache-Control"] = _NO_STORE
    return schemas.FoundVolumes(volume_ids=found, is_complete=is_complete)
