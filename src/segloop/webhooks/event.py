"""What may be told, and in which form."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Event(StrEnum):
    """Names of events, as receivers see them in `type`."""

    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    DELIVERY_FAILED = "delivery.failed"
    TEST = "webhook.test"


PUBLISHED = tuple(event for event in Event if event is not Event.TEST)
"""Events that one may subscribe to."""


def body_of(event: Event, data: dict[str, Any]) -> str:
    """Return the body of a message (Standard Webhooks): `{type, timestamp, data}`; `data` holds ids and codes only."""
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return json.dumps({"type": event, "timestamp": at, "data": data}, separators=(",", ":"))
