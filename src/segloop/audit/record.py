"""Record what somebody did."""

from segloop.audit import table
from segloop.database import Connection


def record(
    conn: Connection,
    *,
    actor: str,
    action: str,
    object_type: str,
    object_id: str | None = None,
    project_id: str | None = None,
    **detail: object,
) -> None:
    """Append an audit event in the caller's transaction.

    `action` is a dotted name such as `volume.uploaded`; `detail` holds ids and numbers, never
    patient data or file names.
    """
    table.insert_event(
        conn,
        project_id=project_id,
        actor=actor,
        action=action,
        object_type=object_type,
        object_id=object_id,
        detail=detail,
    )
