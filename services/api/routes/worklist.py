"""The worklist: a project's cases and where each stands."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from segloop import schemas
from segloop.projects import table as projects_table
from segloop.volumes.identify import MOST_FOUND
from segloop.worklist import table
from segloop.worklist.state import CaseState
from services.api.deps import ActorDep, ConnectionDep, CursorDep, LimitDep, next_cursor

router = APIRouter(tags=["worklist"])


@router.get("/projects/{project}/worklist")
def get_worklist(
    project: str,
    conn: ConnectionDep,
    actor: ActorDep,
    before: CursorDep,
    state: Annotated[list[CaseState] | None, Query()] = None,
    search: Annotated[str, Query(max_length=200)] = "",
    mine: bool = False,
    volume: Annotated[list[UUID] | None, Query(max_length=MOST_FOUND)] = None,
    limit: LimitDep = 50,
) -> schemas.Worklist:
    """List cases, the one touched last first: of some states, with a part of the case reference, touched by you, or these volumes."""
    project_id = projects_table.get(conn, project).id
    chosen = None if volume is None else [str(volume_id) for volume_id in volume]
    wanted = table.Filter(project_id, actor.name, tuple(state or ()), search.strip(), mine, chosen)
    rows = table.list_(conn, wanted, limit=limit, before=before)
    resumable = table.find_resumable(conn, project_id=project_id, actor=actor.name)
    return schemas.Worklist(
        items=[schemas.Case.model_validate(row) for row in rows],
        counts=table.count_by_state(conn, wanted),  # type: ignore[arg-type]
        resumable=None if resumable is None else schemas.Resumable.model_validate(resumable._mapping),
        next_cursor=next_cursor([(row.touched_at, row.id) for row in rows], limit),
    )
