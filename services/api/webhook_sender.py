"""The part of the relay process that sends webhooks, in a thread of its own: a slow receiver must not hold up jobs."""

import asyncio
import logging
import threading
import time
from datetime import timedelta

from segloop.database import Engine, transaction
from segloop.errors import SegloopError
from segloop.webhooks import table
from segloop.webhooks.manage import Rules, switch_off
from segloop.webhooks.send import GONE, LIMIT_S, pause_s, send_all

log = logging.getLogger(__name__)
AT_ONCE = 20
IDLE_S, AWAY_S = 1.0, 5.0
KEPT, SWEEP_S = timedelta(days=30), 3600.0


def send_due(engine: Engine, rules: Rules) -> int:
    """Send what is due and return how much that was; nothing is held in the database meanwhile."""
    with transaction(engine) as conn:
        # Who is killed while sending leaves it to come due again: a receiver may get a message twice, never none.
        due = table.claim_due(conn, limit=AT_ONCE, lease_s=2 * LIMIT_S)
    if not due:
        return 0
    outcomes = asyncio.run(send_all(rules, due))
    with transaction(engine) as conn:
        for delivery, outcome in zip(due, outcomes, strict=True):
            if not outcome.code:
                assert outcome.status is not None
                table.note_delivered(conn, delivery.id, status=outcome.status)
                continue
            again_in_s = None if outcome.code == GONE else pause_s(delivery.attempts)
            table.note_failed(
                conn, delivery.id, status=outcome.status, code=outcome.code, again_in_s=again_in_s
            )
            if outcome.code == GONE:
                switch_off(conn, delivery.webhook_id, reason=GONE)
            log.warning("webhook %s, try %d: %s", delivery.webhook_id, delivery.attempts, outcome.code)
    return len(due)


def send_until(engine: Engine, rules: Rules, stop: threading.Event) -> None:
    """Send until `stop` is set, and forget old messages now and then; what goes wrong is tried again."""
    swept = -SWEEP_S
    while not stop.is_set():
        try:
            if time.monotonic() - swept >= SWEEP_S:
                with transaction(engine) as conn:
                    table.drop_old(conn, older_than=KEPT)
                swept = time.monotonic()
            pause = 0.0 if send_due(engine, rules) else IDLE_S
        except SegloopError as error:
            log.warning("waiting: %s", error.code)
            pause = AWAY_S
        except Exception as error:  # its text may hold a URL, which may hold a secret
            log.error("webhooks: %s", type(error).__name__)
            pause = AWAY_S
        stop.wait(pause)
