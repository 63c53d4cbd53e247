"""Compare two masks of a volume."""

from typing import Annotated

from fastapi import APIRouter, Query

from segloop import schemas
from segloop.audit.record import record
from segloop.masks import compare, table
from services.api.deps import ActorDep, ConnectionDep, PartsDep, require_uuid

router = APIRouter(tags=["masks"])


@router.get("/masks/{mask_id}/compare")
def compare_masks(
    mask_id: str,
    other_id: Annotated[str, Query(alias="with")],
    conn: ConnectionDep,
    actor: ActorDep,
    parts: PartsDep,
) -> schemas.MaskComparison:
    """Compare this mask (a) with another (b): Dice, NSD at 2 mm and HD95 of each label, and where they disagree."""
    a, b = (table.get(conn, require_uuid(value)) for value in (mask_id, other_id))
    found = compare.compare(conn, parts.store, a, b)
    record(
        conn,
        actor=actor.name,
        action="mask.compared",
        object_type="mask",
        object_id=a.id,
        project_id=a.project_id,
        other_id=b.id,
    )
    return schemas.MaskComparison(mask_a=a.id, mask_b=b.id, **found)
