"""Model versions: list, show, promote, reject; where each comes from and how good it is."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy import Row

from segloop import schemas
from segloop.database import Connection
from segloop.model_versions import table
from segloop.projects import table as projects_table
from segloop.training import lineage
from segloop.training.comparisons import promotion
from segloop.training.comparisons import table as comparisons_table
from segloop.training.runs import table as runs_table
from segloop.volumes import table as volumes_table
from services.api.deps import ActorDep, ConnectionDep, require_uuid

router = APIRouter(tags=["model versions"])


@router.get("/projects/{project}/model-versions")
def list_model_versions(project: str, conn: ConnectionDep) -> schemas.Page[schemas.ModelVersion]:
    """List a project's versions, newest first."""
    rows = table.list_(conn, project_id=projects_table.get(conn, project).id)
    return schemas.Page(items=[schemas.ModelVersion.model_validate(row) for row in rows])


@router.get("/projects/{project}/model-versions/figures")
def list_figures(project: str, conn: ConnectionDep) -> schemas.Page[schemas.VersionFigures]:
    """List what was measured of each version, by number: means over test patients with their intervals."""
    found = lineage.measured(conn, project_id=projects_table.get(conn, project).id)
    return schemas.Page(items=[schemas.VersionFigures.model_validate(item) for item in found])


@router.get("/model-versions/{model_version_id}")
def get_model_version(model_version_id: str, conn: ConnectionDep) -> schemas.ModelVersion:
    """Return one version with its card."""
    return schemas.ModelVersion.model_validate(table.get(conn, require_uuid(model_version_id)))


@router.get("/model-versions/{model_version_id}/lineage")
def get_lineage(model_version_id: str, conn: ConnectionDep) -> schemas.VersionLineage:
    """Return a version's ancestors, run, cases, decisions and model card."""
    found = lineage.of_version(conn, table.get(conn, require_uuid(model_version_id)))
    return schemas.VersionLineage(
        version=schemas.ModelVersion.model_validate(found.version),
        ancestors=[schemas.ModelVersion.model_validate(row) for row in found.ancestors],
        run=None if found.run is None else schemas.TrainingRunSummary.model_validate(found.run),
        cases=[schemas.RunCase.model_validate(row) for row in found.cases],
        history=[schemas.StageChange.model_validate(row) for row in found.history],
        comparisons=_comparisons(conn, found.version),
        card=found.card,
    )


@router.get("/model-versions/{model_version_id}/comparisons")
def list_comparisons(model_version_id: str, conn: ConnectionDep) -> schemas.Page[schemas.Comparison]:
    """List the gate's verdicts on a version, newest first; `is_current` is the one that promotion goes by."""
    version = table.get(conn, require_uuid(model_version_id))
    return schemas.Page(items=_comparisons(conn, version))


@router.post("/model-versions/{model_version_id}/promote")
def promote_model_version(
    model_version_id: str, body: schemas.Promotion, conn: ConnectionDep, actor: ActorDep
) -> schemas.ModelVersion:
    """Put a version into production from the next job on, as far as its comparison allows; the present one is retired."""
    row = promotion.promote(conn, require_uuid(model_version_id), actor=actor.name, reason=body.reason)
    return schemas.ModelVersion.model_validate(row)


@router.post("/model-versions/{model_version_id}/reject")
def reject_model_version(
    model_version_id: str, body: schemas.Rejection, conn: ConnectionDep, actor: ActorDep
) -> schemas.ModelVersion:
    """Take a version out of the running for good."""
    row = promotion.reject(conn, require_uuid(model_version_id), actor=actor.name, reason=body.reason)
    return schemas.ModelVersion.model_validate(row)


@router.get("/volumes/{volume_id}/model-versions")
def list_versions_of_patient(volume_id: str, conn: ConnectionDep) -> schemas.Page[schemas.ModelVersion]:
    """List the versions that were trained on the patient of this volume, oldest first."""
    volume = volumes_table.get(conn, require_uuid(volume_id))
    ids = runs_table.list_versions_of_patient(conn, volume.patient_id)
    return schemas.Page(items=[schemas.ModelVersion.model_validate(table.get(conn, one)) for one in ids])


def _comparisons(conn: Connection, version: Row[Any]) -> list[schemas.Comparison]:
    production = table.find_production(conn, project_id=version.project_id)
    current = comparisons_table.find_newest(
        conn, candidate_id=version.id, production_id=None if production is None else production.id
    )
    return [
        schemas.Comparison(
            **{name: getattr(row, name) for name in schemas.Comparison.model_fields if name != "is_current"},
            is_current=current is not None and row.id == current.id,
        )
        for row in comparisons_table.list_(conn, candidate_id=version.id)
    ]
