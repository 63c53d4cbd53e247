"""Model versions: list, show, promote."""

from fastapi import APIRouter

from segloop import schemas
from segloop.model_versions import promote, table
from segloop.projects import table as projects_table
from services.api.deps import ActorDep, ConnectionDep
from services.api.routes.jobs import require_uuid

router = APIRouter(tags=["model versions"])


@router.get("/projects/{project}/model-versions")
def list_model_versions(project: str, conn: ConnectionDep) -> schemas.Page[schemas.ModelVersion]:
    """List a project's versions, newest first."""
    rows = table.list_(conn, project_id=projects_table.get(conn, project).id)
    return schemas.Page(items=[schemas.ModelVersion.model_validate(row) for row in rows])


@router.get("/model-versions/{model_version_id}")
def get_model_version(model_version_id: str, conn: ConnectionDep) -> schemas.ModelVersion:
    """Return one version with its card."""
    return schemas.ModelVersion.model_validate(table.get(conn, require_uuid(model_version_id)))


@router.post("/model-versions/{model_version_id}/promote")
def promote_model_version(
    model_version_id: str, body: schemas.Promotion, conn: ConnectionDep, actor: ActorDep
) -> schemas.ModelVersion:
    """Put a version into production from the next job on; the present one is retired."""
    row = promote.promote(conn, require_uuid(model_version_id), actor=actor.name, reason=body.reason)
    return schemas.ModelVersion.model_validate(row)
