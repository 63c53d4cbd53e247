"""Bodies about webhooks."""

from datetime import datetime

from pydantic import Field

from segloop.schemas.base import Body, Result
from segloop.webhooks.event import Event


class NewWebhook(Body):
    """Where to send which events of a project; without `events` all of them."""

    url: str = Field(max_length=2000)
    events: list[Event] = Field(default=list(Event), min_length=1)


class Webhook(Result):
    """A webhook; its secret is shown only when it is made."""

    id: str
    project_id: str
    url: str
    events: list[str]
    created_by: str
    created_at: datetime
    switched_off_at: datetime | None = Field(
        default=None,
        description="Since when nothing is sent to it: its receiver answered 410. Make a new one.",
    )
    switched_off_reason: str | None = None


class MadeWebhook(Webhook):
    """A webhook that was just made, with the secret to check its messages by: keep it, it isn't shown again."""

    secret: str


class WebhookDelivery(Result):
    """A message and how its sending fares: `waiting` for its next try, `delivered`, or given up (`dead`)."""

    id: str
    webhook_id: str
    event: str
    state: str
    attempts: int
    next_try_at: datetime
    last_status: int | None
    last_code: str | None
    created_at: datetime
    ended_at: datetime | None
