"""Place orders to gateways, hand them out, and take what came of them. A gateway asks; nothing calls it."""

import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import Conflict, NotFound
from segloop.identities.store import IdentityStore
from segloop.masks import hold
from segloop.projects.table import is_uuid
from segloop.studies import table
from segloop.studies.orders import table as orders_table

Kind = Literal["retrieve", "redeliver", "route", "echo"]
AGAIN_AFTER = timedelta(minutes=10)
"""An order that was claimed and not answered for so long is given out again; doing one twice is harmless."""


def place(
    conn: Connection,
    identities: IdentityStore | None,
    kind: Kind,
    payload: Mapping[str, Any],
    *,
    gateway: str,
    actor: str,
    project_id: str | None = None,
    received_series_id: str | None = None,
    job_id: str | None = None,
) -> str:
    """Place an order with a gateway and return its id; its payload is sealed, as it may hold UIDs.

    Where the same is asked for already and has not ended it is that order. A pull waits behind what is quick, and a
    routine one behind a stat one.

    Raises:
        Conflict: `dicom_not_set_up` where there is no identity store.
        NotFound: `gateway_unknown`.
    """
    if identities is None:
        raise Conflict(
            "dicom_not_set_up",
            "This installation works with no gateway: it has no identity store. Ask operations to set one up.",
        )
    table.require_gateway(conn, gateway)
    plain = json.dumps(dict(payload), sort_keys=True).encode()
    fingerprint = hmac.new(identities.key, plain, "sha256").hexdigest()
    known = orders_table.find_open(conn, gateway=gateway, kind=kind, fingerprint=fingerprint)
    if known is not None:
        return str(known.id)
    order_id = orders_table.new_id(conn)
    orders_table.insert_order(
        conn,
        id=order_id,
        project_id=project_id,
        created_by=actor,
        gateway=gateway,
        kind=kind,
        payload=identities.seal(plain, context=_context(order_id)),
        fingerprint=fingerprint,
        priority=0 if kind != "retrieve" else 1 if payload.get("priority") == "stat" else 2,
        received_series_id=received_series_id,
        job_id=job_id,
    )
    record(
        conn,
        actor=actor,
        action=f"gateway.{kind}",
        object_type="gateway_order",
        object_id=order_id,
        project_id=project_id,
        gateway=gateway,
    )
    return order_id


def claim(
    conn: Connection, identities: IdentityStore, *, gateway: str, pulls: bool | None = None
) -> dict[str, Any] | None:
    """Give out a gateway's next order as {id, kind, payload}, or None; only orders to pull, or only others, where `pulls` says so."""
    row = orders_table.claim(conn, gateway=gateway, again_after=AGAIN_AFTER, pulls=pulls)
    if row is None:
        return None
    payload = json.loads(identities.unseal(bytes(row.payload), context=_context(row.id)))
    return {"id": row.id, "kind": row.kind, "payload": payload}


def finish(
    conn: Connection,
    order_id: str,
    *,
    gateway: str,
    state: Literal["done", "failed"],
    code: str,
    message: str,
    result: Mapping[str, Any],
) -> Row[Any] | None:
    """Take what came of a gateway's order and return its row; None where that is known already.

    Raises:
        NotFound: `order_unknown`, also for an order of another gateway.
    """
    if orders_table.get(conn, order_id).gateway != gateway:
        raise NotFound("order_unknown", "There is no such order to a gateway.")
    row = orders_table.end(conn, order_id, state=state, code=code, message=message, result=dict(result))
    if row is not None and row.job_id is not None:
        _tell_held_job(conn, row)
    return row


def _tell_held_job(conn: Connection, row: Row[Any]) -> None:
    volume_id = str(row.result.get("volume_id") or "")
    if row.state == "failed":
        hold.refuse(conn, row.job_id, code=row.code or "retrieval_failed", message=row.message)
    elif row.kind == "retrieve" and is_uuid(volume_id):
        hold.release(conn, row.job_id, volume_id=volume_id)
    elif row.kind == "retrieve":
        hold.refuse(
            conn,
            row.job_id,
            code="retrieval_failed",
            message="The gateway fetched the series and named no CT; tell operations.",
        )


def gateway_of_peer(conn: Connection, name: str, *, kind: Literal["sources", "destinations"]) -> str:
    """Return the gateway, of those seen last, that has a source or destination of this name.

    Raises:
        NotFound: `source_unknown` or `destination_unknown`, naming those that are known.
    """
    known: list[str] = []
    for row in table.list_gateways(conn):
        names = [str(one["name"]) for one in row.state.get(kind, [])]
        if name in names:
            return str(row.aet)
        known += names
    one = kind.removesuffix("s")
    raise NotFound(
        f"{one}_unknown",
        f"No gateway has a {one} of this name. Known are: {', '.join(sorted(set(known))) or 'none'}.",
    )


def _context(order_id: str) -> str:
    return f"order/{order_id}"
