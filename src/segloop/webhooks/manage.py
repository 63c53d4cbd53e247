"""Subscribe, unsubscribe, try out and send again, each in the caller's transaction."""

import base64
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import Conflict, Unavailable
from segloop.sealing import seal, unseal
from segloop.settings import Settings
from segloop.webhooks import table
from segloop.webhooks.address import parse, read_hosts
from segloop.webhooks.event import TEST, Event, body_of

SECRET_BYTES = 32
PREFIX = "whsec_"
SENDER = "webhook sender"
"""Who acts where no person does."""


@dataclass(frozen=True)
class Rules:
    """What this installation allows: where webhooks may go, and the key that their secrets are sealed with."""

    hosts: frozenset[tuple[str, int]]
    key: bytes

    def unseal(self, webhook_id: str, sealed: bytes) -> str:
        """Return a webhook's secret.

        Raises:
            Unavailable: `webhook_sealed` when this installation's key doesn't open it.
        """
        plain = unseal(self.key, sealed, context=webhook_id)
        if plain is None:
            raise Unavailable("webhook_sealed", "This webhook's secret can't be opened; make a new webhook.")
        return plain.decode()


def rules_of(settings: Settings) -> Rules | None:
    """Return the rules, or None where webhooks are not set up."""
    if not settings.webhook_key:
        return None
    return Rules(read_hosts(settings.webhook_hosts), sha256(settings.webhook_key.encode()).digest())


def subscribe(
    conn: Connection, rules: Rules | None, *, project_id: str, actor: str, url: str, events: Sequence[Event]
) -> tuple[Row[Any], str]:
    """Insert a webhook and return it with its secret, which is shown this once.

    Raises:
        InvalidInput: as `address.parse`.
        Conflict: `webhooks_not_set_up`.
    """
    if rules is None:
        raise Conflict("webhooks_not_set_up", "This installation sends no webhooks; ask operations for it.")
    parse(url, rules.hosts)
    secret = PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    webhook_id = str(uuid.uuid4())
    row = table.insert_webhook(
        conn,
        id=webhook_id,
        project_id=project_id,
        created_by=actor,
        url=url,
        secret=seal(rules.key, secret.encode(), context=webhook_id),
        events=sorted(set(events)),
    )
    _record(conn, row, actor, "webhook.made")
    return row, secret


def unsubscribe(conn: Connection, webhook_id: str, *, actor: str) -> None:
    """Remove a webhook; what still waits for it is given up."""
    row = table.get(conn, webhook_id)
    table.remove(conn, webhook_id)
    _record(conn, row, actor, "webhook.removed")


def switch_off(conn: Connection, webhook_id: str, *, reason: str) -> None:
    """Send nothing more to a webhook, which stays listed with the reason; what still waits for it is given up. A repeat changes nothing."""
    row = table.switch_off(conn, webhook_id, reason=reason)
    if row is not None:
        _record(conn, row, SENDER, "webhook.switched_off")


def try_out(conn: Connection, webhook_id: str, *, actor: str) -> Row[Any]:
    """Have a test event sent to this webhook and return its delivery.

    Raises:
        Conflict: `webhook_switched_off`.
    """
    row = _require_on(table.get(conn, webhook_id))
    body = body_of(TEST, {"webhook_id": webhook_id})
    _record(conn, row, actor, "webhook.tested")
    return table.insert_delivery(
        conn, project_id=row.project_id, webhook_id=webhook_id, event=TEST, body=body
    )


def replay(conn: Connection, webhook_id: str, delivery_id: str, *, actor: str) -> Row[Any]:
    """Have a delivery sent again with the same id and body, whatever became of it.

    Raises:
        Conflict: `webhook_switched_off`.
    """
    row = _require_on(table.get(conn, webhook_id))
    found = table.replay(conn, delivery_id, webhook_id=webhook_id)
    _record(conn, row, actor, "webhook.replayed")
    return found


def _require_on(row: Row[Any]) -> Row[Any]:
    if row.switched_off_at is not None:
        raise Conflict(
            "webhook_switched_off",
            "The receiver of this webhook answered 410: it wants nothing more. Remove it, and make a new one if that was a mistake.",
        )
    return row


def _record(conn: Connection, row: Row[Any], actor: str, action: str) -> None:
    record(
        conn,
        actor=actor,
        action=action,
        object_type="webhook",
        object_id=row.id,
        project_id=row.project_id,
    )
