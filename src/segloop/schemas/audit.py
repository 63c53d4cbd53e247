"""Bodies about the audit record."""

from datetime import datetime
from typing import Any

from pydantic import Field

from segloop.schemas.base import Result


class AuditEvent(Result):
    """What somebody did, or was refused: never with a name of a patient or file in it."""

    id: int
    at: datetime
    project_id: str | None
    actor: str
    action: str
    object_type: str
    object_id: str | None
    object_name: str | None = Field(None, description="Of a person, or what an API key acts as.")
    detail: dict[str, Any]


class AuditPage(Result):
    """One page of events, newest first; go on with `before_id=next_before_id` until that is null."""

    items: list[AuditEvent]
    next_before_id: int | None = None
