"""Gateways: they report what they received, and fetch what they are to do. Nothing here calls them."""

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from segloop import schemas
from segloop.database import transaction
from segloop.errors import Conflict, InvalidInput
from segloop.studies import report, table
from segloop.studies.orders import order as orders
from segloop.studies.orders import table as orders_table
from services.api.deps import ActorDep, ConnectionDep, Parts, PartsDep, require_uuid

router = APIRouter(tags=["gateways"])

AWAY_S = 120
LONGEST_RESULT = 50
SeriesKey = Annotated[str, Path(max_length=100, pattern=r"^[0-9A-Za-z]+(-[0-9A-Za-z]+)*$")]
"""As a gateway names a series, and its folder: a hash, a dash, a number. Neither a path nor a dot is in it."""
Aet = Annotated[str, Path(max_length=16)]


@router.put("/gateways/{aet}", status_code=204)
def put_gateway(aet: Aet, body: schemas.GatewayState, conn: ConnectionDep, actor: ActorDep) -> None:
    """Take what a gateway says of itself."""
    if body.aet != aet:
        raise InvalidInput("aet_differs", "The AE title in the path and in the body differ.")
    table.save_gateway(conn, aet=aet, state=body.model_dump(), actor=actor.name)


@router.get("/gateways")
def list_gateways(conn: ConnectionDep) -> schemas.Page[schemas.Gateway]:
    """List the gateways with their destinations, sources and rules, the one seen last first."""
    found = [
        schemas.Gateway(**row.state, seen_at=row.seen_at, is_away=row.silent_s > AWAY_S)
        for row in table.list_gateways(conn)
    ]
    return schemas.Page(items=found)


@router.put("/gateways/{aet}/series/{key}", status_code=204)
def put_series(
    aet: Aet,
    key: SeriesKey,
    body: schemas.SeriesReport,
    actor: ActorDep,
    parts: PartsDep,
) -> None:
    """Take where a series stands; whose it is goes into the identity store."""
    for named in (body.volume_id, body.job_id, body.mask_id):
        if named is not None:
            require_uuid(named)
    report.take(
        parts.engine,
        parts.identities,
        {**body.model_dump(), "deliveries": [one.model_dump(mode="json") for one in body.deliveries]},
        gateway=aet,
        key=key,
        actor=actor.name,
        pseudonym_key=parts.settings.pseudonym_key,
    )


@router.post(
    "/gateways/{aet}/orders/claim",
    response_model=schemas.ClaimedOrder,
    responses={204: {"description": "There is nothing to do"}},
)
async def claim_order(
    aet: Aet,
    request: Request,
    actor: ActorDep,
    parts: PartsDep,
    wait: Annotated[float, Query(ge=0, le=30, description="Seconds to wait for an order.")] = 0,
    pulls: Annotated[bool | None, Query(description="Only orders to pull a series, or only others.")] = None,
) -> Any:
    """Give a gateway its next order; one that isn't answered for ten minutes is given out again."""
    end = time.monotonic() + wait
    # Nobody listens any more: what would be claimed now would lie for ten minutes.
    while not await request.is_disconnected():
        order = await run_in_threadpool(_claim, parts, aet, pulls)
        if order is not None:
            return schemas.ClaimedOrder(**order)
        if time.monotonic() >= end:
            break
        await asyncio.sleep(min(0.5, max(0.0, end - time.monotonic())))
    return Response(status_code=204)


@router.post("/gateways/{aet}/orders/{order_id}/result", status_code=204)
def put_order_result(
    aet: Aet, order_id: str, body: schemas.OrderResult, conn: ConnectionDep, actor: ActorDep
) -> None:
    """Take what came of an order; a repeat changes nothing."""
    if len(body.result) > LONGEST_RESULT:
        raise InvalidInput("result_too_long", f"A result has {LONGEST_RESULT} values at most.")
    orders.finish(
        conn,
        require_uuid(order_id),
        gateway=aet,
        state=body.state,
        code=body.code,
        message=body.message,
        result=body.result,
    )


@router.post("/gateways/{aet}/test", status_code=202)
def test_peer(
    aet: Aet, body: schemas.PeerTest, conn: ConnectionDep, actor: ActorDep, parts: PartsDep
) -> schemas.Order:
    """Have a gateway try a destination or source (C-ECHO or QIDO-RS); the order says what came of it."""
    order_id = orders.place(
        conn, parts.identities, "echo", {"name": body.name}, gateway=aet, actor=actor.name
    )
    return schemas.Order.model_validate(orders_table.get(conn, order_id))


@router.get("/gateway-orders/{order_id}")
def get_order(order_id: str, conn: ConnectionDep, actor: ActorDep) -> schemas.Order:
    """Return an order and what came of it."""
    return schemas.Order.model_validate(orders_table.get(conn, require_uuid(order_id)))


def _claim(parts: Parts, aet: str, pulls: bool | None) -> dict[str, Any] | None:
    if parts.identities is None:
        raise Conflict("dicom_not_set_up", "This installation has no identity store; set one up.")
    with transaction(parts.engine) as conn:
        return orders.claim(conn, parts.identities, gateway=aet, pulls=pulls)
