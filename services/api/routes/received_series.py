"""Series that gateways received: where each stands, why one was refused, and what a person may have done about it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from sqlalchemy import Row

from segloop import schemas
from segloop.accounts.roles import Role
from segloop.database import Connection
from segloop.errors import Conflict
from segloop.masks import table as masks_table
from segloop.model_versions import table as model_versions_table
from segloop.projects import table as projects_table
from segloop.schemas.studies import Stage
from segloop.studies import identify, table
from segloop.studies.orders import order as orders
from segloop.studies.orders import table as orders_table
from segloop.studies.whole import require_whole
from services.api import objects
from services.api.deps import (
    ActorDep,
    ConnectionDep,
    CursorDep,
    LimitDep,
    PartsDep,
    next_cursor,
    require_uuid,
)
from services.api.routes.identities import told

router = APIRouter(tags=["received series"])

COUNTED = timedelta(days=30)


@router.get("/received-series")
def list_series(
    conn: ConnectionDep,
    actor: ActorDep,
    before: CursorDep,
    project: str | None = None,
    volume_id: str | None = None,
    stage: Annotated[list[Stage] | None, Query()] = None,
    limit: LimitDep = 50,
) -> schemas.ReceivedSeriesPage:
    """List series, the one received last first: of a project and (for site admins) those that belong to none, or all."""
    project_id = None if project is None else objects.require(conn, actor, "project", project, Role.VIEWER)
    rows = table.list_series(
        conn,
        project_id=project_id,
        visible=actor.projects,
        volume_id=None if volume_id is None else require_uuid(volume_id),
        stages=stage or (),
        limit=limit,
        before=before,
    )
    return schemas.ReceivedSeriesPage(
        items=_present(conn, rows),
        counts=table.count_by_stage(conn, project_id=project_id, visible=actor.projects, since=COUNTED),
        next_cursor=next_cursor([(row.received_at, row.id) for row in rows], limit),
    )


@router.post("/received-series/identities")
def look_at_identities(
    body: schemas.SeriesQuery,
    conn: ConnectionDep,
    actor: ActorDep,
    parts: PartsDep,
    request: Request,
    response: Response,
    after: BackgroundTasks,
) -> schemas.SeriesIdentities:
    """Tell whose series these are; needs the permission `identity`, and each one told is recorded."""
    wanted = [str(series_id) for series_id in body.received_series_ids]
    found = identify.look(conn, parts.identities, wanted, actor=actor)
    if len(found) < len(set(wanted)):
        after.add_task(parts.refusals.note_left_out, request)
    response.headers["Cache-Control"] = "no-store"
    return schemas.SeriesIdentities(
        items=[
            schemas.SeriesIdentity.model_validate({"received_series_id": series_id, **told(identity)})
            for series_id, identity in found.items()
        ]
    )


@router.get("/received-series/{series_id}")
def get_series(series_id: str, conn: ConnectionDep, actor: ActorDep) -> schemas.ReceivedSeries:
    """Return a series and how its deliveries fare."""
    row = table.get_series(conn, require_uuid(series_id))
    return _present(conn, [row])[0]


@router.post("/received-series/{series_id}/redeliver", status_code=202)
def redeliver(
    series_id: str, body: schemas.Redeliver, conn: ConnectionDep, actor: ActorDep, parts: PartsDep
) -> schemas.Order:
    """Have the results sent again, to one destination or all of the series; nothing is computed again."""
    row = table.get_series(conn, require_uuid(series_id))
    require_whole(conn, row)
    mask_id = row.mask_id if body.mask_id is None else require_uuid(body.mask_id)
    if mask_id is None:
        raise Conflict(
            "nothing_to_deliver", "This series has no result yet. Wait for its segmentation, or route it."
        )
    objects.require(conn, actor, "mask_id", mask_id, Role.ANNOTATOR)
    if masks_table.get(conn, mask_id).volume_id != row.volume_id:
        raise Conflict("mask_of_another_ct", "This mask is of another CT; choose one of this series' CT.")
    order_id = orders.place(
        conn,
        parts.identities,
        "redeliver",
        {"series": row.key, "destination": body.destination, "mask_id": mask_id},
        gateway=row.gateway,
        actor=actor.name,
        project_id=row.project_id,
        received_series_id=row.id,
    )
    return schemas.Order.model_validate(orders_table.get(conn, order_id))


@router.post("/received-series/{series_id}/route", status_code=202)
def route(
    series_id: str, body: schemas.RouteSeries, conn: ConnectionDep, actor: ActorDep, parts: PartsDep
) -> schemas.Order:
    """Have a series segmented that no rule took or that failed; its gateway must have its files still."""
    row = table.get_series(conn, require_uuid(series_id))
    objects.require(conn, actor, "project", body.project, Role.ANNOTATOR)
    project = projects_table.get(conn, body.project)
    require_whole(conn, row)
    if row.stage not in ("failed", "ignored"):
        raise Conflict("series_under_way", f"This series is {row.stage}; there is nothing to route.")
    order_id = orders.place(
        conn,
        parts.identities,
        "route",
        {
            "series": row.key,
            "project": project.slug,
            "priority": body.priority,
            "destinations": body.destinations,
        },
        gateway=row.gateway,
        actor=actor.name,
        project_id=project.id,
        received_series_id=row.id,
    )
    return schemas.Order.model_validate(orders_table.get(conn, order_id))


def _present(conn: Connection, rows: Sequence[Row[Any]]) -> list[schemas.ReceivedSeries]:
    """Return series with what was asked of their gateways last, and what was delivered of them."""
    asked = orders_table.list_newest(conn, [row.id for row in rows])
    sent = {row.id: {one.get("mask_id") for one in row.deliveries} - {None} for row in rows}
    masks = {mask.id: mask for mask in masks_table.list_by_ids(conn, set().union(*sent.values()))}
    versions = {
        version_id: model_versions_table.get(conn, version_id)
        for version_id in {mask.model_version_id for mask in masks.values()} - {None}
    }

    def mask_of(mask: Row[Any]) -> dict[str, Any]:
        version = versions.get(mask.model_version_id)
        return {**mask._mapping, "model": None if version is None else f"{version.name} v{version.number}"}

    return [
        schemas.ReceivedSeries.model_validate(
            {
                **row._mapping,
                "order": asked.get(row.id) and schemas.Order.model_validate(asked[row.id]),
                "delivered_masks": [mask_of(masks[one]) for one in sorted(sent[row.id]) if one in masks],
            }
        )
        for row in rows
    ]
