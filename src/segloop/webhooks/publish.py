"""Tell whoever asked for it that something happened."""

from typing import Any

from segloop.database import Connection
from segloop.webhooks import table
from segloop.webhooks.event import Event, body_of


def publish(conn: Connection, *, project_id: str, event: Event, data: dict[str, Any]) -> None:
    """Have an event sent to the project's webhooks that want it, once the caller's transaction commits.

    `data` holds ids and codes, never patient data, names or UIDs of DICOM.
    """
    table.add_for_subscribers(conn, project_id=project_id, event=event, body=body_of(event, data))
