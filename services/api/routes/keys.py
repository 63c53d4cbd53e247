"""API keys of service accounts: of a project, or of the whole installation."""

from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import Row

from segloop import schemas
from segloop.accounts.actor import Actor
from segloop.accounts.keys import key, table
from segloop.accounts.roles import Role
from segloop.database import Connection
from segloop.projects import table as projects_table
from services.api.deps import ActorDep, ConnectionDep, require_uuid

router = APIRouter(tags=["API keys"])


@router.get("/projects/{project}/keys")
def list_project_keys(project: str, conn: ConnectionDep, actor: ActorDep) -> schemas.Page[schemas.ApiKey]:
    """List a project's keys, newest first, with their last use (to the minute)."""
    return _list(conn, projects_table.get(conn, project).id)


@router.post("/projects/{project}/keys", status_code=201)
def create_project_key(
    project: str, body: schemas.NewApiKey, conn: ConnectionDep, actor: ActorDep, response: Response
) -> schemas.ShownApiKey:
    """Make a key with a role in this project; its value is shown this once."""
    return _create(conn, body, projects_table.get(conn, project), body.role, actor, response)


@router.delete("/projects/{project}/keys/{key_id}", status_code=204)
def revoke_project_key(project: str, key_id: str, conn: ConnectionDep, actor: ActorDep) -> None:
    """Revoke a key: what is asked with it next is refused."""
    project_id = projects_table.get(conn, project).id
    key.revoke(conn, require_uuid(key_id), project_id=project_id, actor=actor.name)


@router.get("/keys")
def list_site_keys(conn: ConnectionDep, actor: ActorDep) -> schemas.Page[schemas.ApiKey]:
    """List the keys that stand for site admins, newest first."""
    return _list(conn, None)


@router.post("/keys", status_code=201)
def create_site_key(
    body: schemas.NewSiteKey, conn: ConnectionDep, actor: ActorDep, response: Response
) -> schemas.ShownApiKey:
    """Make a key that stands for a site admin, such as a gateway's; its value is shown this once."""
    return _create(conn, body, None, None, actor, response)


@router.delete("/keys/{key_id}", status_code=204)
def revoke_site_key(key_id: str, conn: ConnectionDep, actor: ActorDep) -> None:
    """Revoke a key: what is asked with it next is refused."""
    key.revoke(conn, require_uuid(key_id), project_id=None, actor=actor.name)


def _list(conn: Connection, project_id: str | None) -> schemas.Page[schemas.ApiKey]:
    rows = table.list_(conn, project_id=project_id)
    return schemas.Page(items=[schemas.ApiKey.model_validate(row) for row in rows])


def _create(
    conn: Connection,
    body: schemas.NewSiteKey,
    project: Row[Any] | None,
    role: Role | None,
    actor: Actor,
    response: Response,
) -> schemas.ShownApiKey:
    for permission in body.permissions:
        actor.require_permission(permission, None if project is None else project.id)
    row, value = key.create(
        conn,
        name=body.name,
        project=project,
        role=role,
        permissions=body.permissions,
        days=body.days,
        actor=actor.name,
    )
    response.headers["Cache-Control"] = "no-store"
    return schemas.ShownApiKey.model_validate({**row._mapping, "key": value})
