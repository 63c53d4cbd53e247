"""Put a model version into production, or take it back: one transaction, one version in production."""

from typing import Any

from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import Conflict
from segloop.jobs.table import lock_name
from segloop.model_versions import table


def promote(conn: Connection, model_version_id: str, *, actor: str, reason: str) -> Row[Any]:
    """Make a version the one in production and retire the present one; a repeat changes nothing.

    Rolling back is promoting a retired version. The next job uses it; a running job keeps its own.

    Raises:
        Conflict: `model_version_rejected` for a version that was rejected.
    """
    version = table.get(conn, model_version_id)
    lock_name(conn, f"promote/{version.project_id}")
    version = table.get(conn, model_version_id)
    if version.stage == "rejected":
        raise Conflict(
            "model_version_rejected",
            f"Version v{version.number} was rejected and can't be promoted.",
        )
    present = table.find_production(conn, project_id=version.project_id)
    if present is not None and present.id == version.id:
        return present
    if present is not None:
        table.set_stage(conn, present.id, stage="retired")
    record(
        conn,
        actor=actor,
        action="model_version.promoted",
        object_type="model_version",
        object_id=version.id,
        project_id=version.project_id,
        reason=reason,
        before=None if present is None else present.id,
    )
    return table.set_stage(conn, version.id, stage="production", promoted_by=actor)
