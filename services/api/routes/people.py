"""People of this installation: for site admins."""

from fastapi import APIRouter, Response

from segloop import schemas
from segloop.accounts.actor import Actor
from segloop.accounts.links import link
from segloop.accounts.memberships import table as memberships
from segloop.accounts.people import person, table
from segloop.database import Connection
from services.api.deps import ActorDep, ConnectionDep

router = APIRouter(tags=["people"])


@router.get("/people")
def list_people(conn: ConnectionDep, actor: ActorDep) -> schemas.Page[schemas.Person]:
    """List everybody who can sign in, or could."""
    return schemas.Page(items=[schemas.Person.model_validate(row) for row in table.list_(conn)])


@router.post("/people", status_code=201)
def create_person(body: schemas.NewPerson, conn: ConnectionDep, actor: ActorDep) -> schemas.Person:
    """Make a person; a link signs them in for the first time."""
    if body.email is not None or body.is_site_admin:
        actor.require_no_key()
    row = person.create(conn, actor=actor.name, **body.model_dump())
    return schemas.Person.model_validate(row)


@router.patch("/people/{name}")
def change_person(
    name: str, body: schemas.PersonChange, conn: ConnectionDep, actor: ActorDep
) -> schemas.Person:
    """Change a person: switch them off (signed out at once) or on, make them site admin or not."""
    changes = body.model_dump(exclude_none=True)
    if "email" in changes or changes.get("is_site_admin"):
        actor.require_no_key()
        _require_permissions_of(conn, name, actor)
    row = person.change(conn, name, actor=actor.name, is_on=changes.pop("is_on", None), **changes)
    return schemas.Person.model_validate(row)


@router.delete("/people/{name}/sessions", status_code=204)
def end_sessions(name: str, conn: ConnectionDep, actor: ActorDep) -> None:
    """Sign a person out everywhere; they can sign in again."""
    person.end_sessions(conn, name, actor=actor.name)


@router.post("/people/{name}/links", status_code=201)
def create_link(name: str, conn: ConnectionDep, actor: ActorDep, response: Response) -> schemas.SignInLink:
    """Make a link that signs the person in, once, within a day; its code is shown this once."""
    _require_permissions_of(conn, name, actor)
    code, expires_at = link.create(conn, table.get(conn, name), actor=actor.name)
    response.headers["Cache-Control"] = "no-store"
    return schemas.SignInLink(code=code, expires_at=expires_at)


def _require_permissions_of(conn: Connection, name: str, actor: Actor) -> None:
    """Check that who gives a way in as a person has what it opens: else it would be a way to what they may not see."""
    for one in memberships.list_by_person(conn, table.get(conn, name).id):
        for permission in one.permissions:
            actor.require_permission(permission, one.project_id)
