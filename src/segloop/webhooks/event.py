"""What may be told, and in which form."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Event(StrEnum):
    """Names of events that one subscribes to, as receivers see them in `type`."""

    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    DELIVERY_FAILED = "delivery.failed"


TEST = "webhook.test"
"""What is sent to one webhook when somebody tries it out; nobody subscribes to it."""


def body_of(event: str, data: dict[str, Any]) -> str:
    """Return the body of a message (Standard Webhooks): `{type, timestamp, data}`; `data` holds ids and codes only."""
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return json.dumps({"type": event, "timestamp": at, "data": data}, separators=(",", ":"))
