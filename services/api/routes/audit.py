"""The audit record: who did what, and what was refused."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from segloop import schemas
from segloop.accounts.actor import Actor
from segloop.accounts.keys import table as keys
from segloop.accounts.people import table as people
from segloop.accounts.roles import Role
from segloop.audit import table
from segloop.audit.record import record
from segloop.audit.seals import seal
from segloop.database import Connection, transaction
from segloop.projects.table import is_uuid
from services.api import objects
from services.api.deps import ActorDep, ConnectionDep, LimitDep, PartsDep

router = APIRouter(tags=["audit"])

BATCH = 1000
Name = Annotated[str, Query(max_length=200)]


@router.get("/audit")
def list_events(
    conn: ConnectionDep,
    actor: ActorDep,
    project: Name | None = None,
    by: Name = "",
    action: Annotated[list[Name] | None, Query(max_length=20)] = None,
    object_id: Name = "",
    before_id: int | None = None,
    limit: LimitDep = 50,
) -> schemas.AuditPage:
    """List events, newest first: of a project, by somebody, of actions (or beginnings, such as `mask.`), about an object."""
    rows = table.list_(
        conn,
        project_id=_project(conn, actor, project),
        actor=by,
        actions=[one for one in action or () if one],
        object_id=object_id,
        before_id=before_id,
        limit=limit,
    )
    return schemas.AuditPage(
        items=_named(conn, rows),
        next_before_id=rows[-1].id if len(rows) == limit else None,
    )


@router.get("/audit/head")
def get_head(conn: ConnectionDep, actor: ActorDep) -> dict[str, str]:
    """Return the newest seal: kept elsewhere, it shows later that the record's end was not cut off."""
    return {"head": seal.head(conn)}


@router.get(
    "/audit/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
def export_events(actor: ActorDep, parts: PartsDep, project: Name | None = None) -> StreamingResponse:
    """Return all events, newest first, as JSON lines; that they were exported is one of the next events."""
    with transaction(parts.engine) as conn:
        project_id = _project(conn, actor, project)
        record(
            conn,
            actor=actor.name,
            action="audit.exported",
            object_type="audit",
            project_id=project_id,
        )

    def lines() -> Iterator[str]:
        before_id = None
        while True:
            with transaction(parts.engine) as conn:
                rows = table.list_(conn, project_id=project_id, before_id=before_id, limit=BATCH)
                events = _named(conn, rows)
            for event in events:
                yield event.model_dump_json() + "\n"
            if len(rows) < BATCH:
                return
            before_id = rows[-1].id

    return StreamingResponse(
        lines(),
        media_type="application/x-ndjson",
        headers={
            "Content-Disposition": 'attachment; filename="segloop-audit.jsonl"',
            "Cache-Control": "private, no-store",
        },
    )


def _named(conn: Connection, rows: Sequence[Row[Any]]) -> list[schemas.AuditEvent]:
    """Return events with the names of the people and keys that they are about: who sees an event of somebody may know who it was."""
    names: dict[str, str] = {}
    for kind, find in (("person", people.names), ("api_key", keys.names)):
        ids = {row.object_id for row in rows if row.object_type == kind and is_uuid(row.object_id or "")}
        names |= find(conn, ids) if ids else {}
    return [
        schemas.AuditEvent.model_validate({**row._mapping, "object_name": names.get(row.object_id)})
        for row in rows
    ]


def _project(conn: Connection, actor: Actor, project: str | None) -> str | None:
    """Return the project whose events somebody may see; None, for all, is a site admin's."""
    if project is None:
        actor.require_site_admin()
        return None
    return objects.require(conn, actor, "project", project, Role.ADMIN)
