"""Feedback: give a verdict on a mask, list it, count it."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from segloop import schemas
from segloop.accounts.roles import Role
from segloop.feedback import submit, table
from segloop.feedback.statistics import table as statistics
from segloop.masks import table as masks_table
from segloop.projects import table as projects_table
from segloop.training.runs import automatic
from segloop.volumes import table as volumes_table
from services.api.deps import ActorDep, ConnectionDep, PartsDep, require_uuid

router = APIRouter(tags=["feedback"])


@router.post("/masks/{mask_id}/feedback", status_code=201)
def give_feedback(
    mask_id: str,
    body: schemas.NewFeedback,
    conn: ConnectionDep,
    actor: ActorDep,
    parts: PartsDep,
    response: Response,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> schemas.Feedback:
    """Accept, correct or reject a mask (201); the same Idempotency-Key gives the same feedback (200)."""
    mask = masks_table.get(conn, require_uuid(mask_id))
    actor.require(mask.project_id, Role.ANNOTATOR if body.verdict == "corrected" else Role.REVIEWER)
    row, new = submit.submit(
        conn,
        parts.store,
        mask_id=mask.id,
        given=submit.Verdict(**body.model_dump()),
        actor=actor.name,
        role=actor.role_in(mask.project_id),
        idempotency_key=idempotency_key,
    )
    if new:  # in the same transaction, so that no correction is forgotten by the count
        automatic.start_if_due(conn, project_id=row.project_id, actor=actor.name)
    response.status_code = 201 if new else 200
    return schemas.Feedback.model_validate(row)


@router.get("/volumes/{volume_id}/feedback")
def list_feedback(volume_id: str, conn: ConnectionDep) -> schemas.Page[schemas.Feedback]:
    """List everybody's feedback on a volume's masks, newest first."""
    volumes_table.get(conn, require_uuid(volume_id))
    rows = table.list_by_volume(conn, volume_id)
    return schemas.Page(items=[schemas.Feedback.model_validate(row) for row in rows])


@router.get("/projects/{project}/feedback/statistics")
def get_statistics(project: str, conn: ConnectionDep) -> schemas.FeedbackStatistics:
    """Count a project's feedback by verdict, annotator, label and age."""
    project_id = projects_table.get(conn, project).id
    return schemas.FeedbackStatistics.model_validate(
        {
            "overall": statistics.count_by_verdict(conn, project_id=project_id),
            "by_annotator": statistics.count_by_annotator(conn, project_id=project_id),
            "by_label": statistics.count_by_label(conn, project_id=project_id),
            "by_age": statistics.count_by_age(conn, project_id=project_id),
        }
    )
