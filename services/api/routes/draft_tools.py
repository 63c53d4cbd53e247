"""Editing tools that the server computes; the browser applies and journals what they answer."""

from fastapi import APIRouter, Response

from segloop import schemas
from segloop.audit.record import record
from segloop.masks.drafts import table as drafts_table
from segloop.masks.drafts import tools
from segloop.volumes import table as volumes_table
from services.api.deps import ActorDep, ConnectionDep, PartsDep, require_uuid

router = APIRouter(tags=["drafts"])


@router.post(
    "/drafts/{draft_id}/tools",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
def run_tool(
    draft_id: str, body: schemas.ToolRequest, conn: ConnectionDep, actor: ActorDep, parts: PartsDep
) -> Response:
    """Return what a tool would change as an entry's runs; X-Sequence and X-Hash say on which head. Nothing is changed."""
    if body.tool == "grow":  # it looks at the CT
        draft = drafts_table.get(conn, require_uuid(draft_id))
        parts.copies.require(volumes_table.get(conn, draft.volume_id))
    found = tools.run(
        conn,
        parts.store,
        require_uuid(draft_id),
        tool=body.tool,
        label=body.label,
        sequence=body.sequence,
        head_hash=body.hash,
        settings=tools.Settings(**body.parameters.model_dump()),
        actor=actor.name,
    )
    record(
        conn,
        actor=actor.name,
        action="draft.tool_run",
        object_type="draft",
        object_id=draft_id,
        tool=body.tool,
    )
    headers = {
        "X-Sequence": str(body.sequence),
        "X-Hash": body.hash,
        "Cache-Control": "no-store",
        "Content-Encoding": "identity",
    }
    return Response(found, media_type="application/octet-stream", headers=headers)
