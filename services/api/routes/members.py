"""Who has which role in a project."""

from fastapi import APIRouter

from segloop import schemas
from segloop.accounts.memberships import membership, table
from segloop.projects import table as projects_table
from services.api.deps import ActorDep, ConnectionDep

router = APIRouter(tags=["people"])


@router.get("/projects/{project}/members")
def list_members(project: str, conn: ConnectionDep, actor: ActorDep) -> schemas.Page[schemas.Member]:
    """List a project's members, by name."""
    rows = table.list_by_project(conn, projects_table.get(conn, project).id)
    return schemas.Page(items=[schemas.Member.model_validate(row) for row in rows])


@router.put("/projects/{project}/members/{name}")
def save_member(
    project: str, name: str, body: schemas.MemberChange, conn: ConnectionDep, actor: ActorDep
) -> schemas.Member:
    """Make a person a member or change what they are; nobody gives a permission that they don't have, but may leave one."""
    project_id = projects_table.get(conn, project).id
    present = next((row for row in table.list_by_project(conn, project_id) if row.name == name), None)
    for permission in set(body.permissions).difference(present.permissions if present else ()):
        actor.require_permission(permission, project_id)
    row = membership.save(
        conn,
        project_id=project_id,
        name=name,
        role=body.role,
        permissions=body.permissions,
        actor=actor.name,
    )
    return schemas.Member.model_validate(row)


@router.delete("/projects/{project}/members/{name}", status_code=204)
def remove_member(project: str, name: str, conn: ConnectionDep, actor: ActorDep) -> None:
    """End a membership: what the person asks for next is refused."""
    project_id = projects_table.get(conn, project).id
    membership.remove(conn, project_id=project_id, name=name, actor=actor.name)
