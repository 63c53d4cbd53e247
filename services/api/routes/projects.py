"""Projects and their label sets."""

from typing import Any

from fastapi import APIRouter

from segloop import schemas
from segloop.audit.record import record
from segloop.database import IntegrityError
from segloop.errors import Conflict
from segloop.imaging.labels import LabelSet
from segloop.projects import table
from services.api.deps import ActorDep, ConnectionDep

router = APIRouter(tags=["projects"])


@router.get("/projects")
def list_projects(conn: ConnectionDep, actor: ActorDep) -> schemas.Page[schemas.Project]:
    """List the projects that you have a role in."""
    rows = [row for row in table.list_(conn) if actor.projects is None or row.id in actor.projects]
    return schemas.Page(items=[schemas.Project.model_validate(row) for row in rows])


@router.post("/projects", status_code=201)
def create_project(body: schemas.NewProject, conn: ConnectionDep, actor: ActorDep) -> schemas.Project:
    """Create a project, with its first label set when labels are given."""
    try:
        with conn.begin_nested():
            row = table.insert_project(conn, slug=body.slug, name=body.name, actor=actor.name)
    except IntegrityError:
        raise Conflict("project_exists", "There is a project of this slug already; choose another.") from None
    if body.labels:
        _append_labels(conn, row.id, body.labels, actor.name, present=[])
    record(
        conn,
        actor=actor.name,
        action="project.created",
        object_type="project",
        object_id=row.id,
        project_id=row.id,
    )
    return schemas.Project.model_validate(row)


@router.get("/projects/{project}")
def get_project(project: str, conn: ConnectionDep) -> schemas.Project:
    """Return a project by id or slug."""
    return schemas.Project.model_validate(table.get(conn, project))


@router.get("/projects/{project}/label-sets")
def list_label_sets(project: str, conn: ConnectionDep) -> schemas.Page[schemas.LabelSetOut]:
    """List the versions of a project's label set, newest first."""
    rows = table.list_label_sets(conn, project_id=table.get(conn, project).id)
    return schemas.Page(items=[schemas.LabelSetOut.model_validate(row) for row in rows])


@router.post("/projects/{project}/label-sets", status_code=201)
def append_label_set(
    project: str, body: schemas.NewLabelSet, conn: ConnectionDep, actor: ActorDep
) -> schemas.LabelSetOut:
    """Append a version: labels may be added, never changed or removed."""
    project_id = table.get(conn, project).id
    present = table.list_label_sets(conn, project_id=project_id)
    row = _append_labels(
        conn,
        project_id,
        body.labels,
        actor.name,
        present=present[0].labels if present else [],
    )
    return schemas.LabelSetOut.model_validate(row)


def _append_labels(
    conn: Any,
    project_id: str,
    labels: list[schemas.Label],
    actor: str,
    *,
    present: list[Any],
) -> Any:
    wanted = [label.model_dump() for label in labels]
    LabelSet.from_dicts(wanted).require_extends(LabelSet.from_dicts(present))
    try:
        with conn.begin_nested():
            row = table.insert_label_set(conn, project_id=project_id, labels=wanted, actor=actor)
    except IntegrityError:
        raise Conflict(
            "label_set_conflict",
            "Somebody appended a label set at the same moment; look at the newest one and try again.",
        ) from None
    record(
        conn,
        actor=actor,
        action="label_set.appended",
        object_type="label_set",
        object_id=row.id,
        project_id=project_id,
        version=row.version,
    )
    return row
