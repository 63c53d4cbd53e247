"""The relay and reaper process: rings the waiting bells, takes up what was lost, asks what came due by itself, sends webhooks."""

import logging
import signal
import threading
import time

from segloop import alive, broker, logs
from segloop.audit.seals import seal as audit
from segloop.database import Engine, open_engine, transaction
from segloop.errors import SegloopError
from segloop.jobs import outbox
from segloop.masks import hold
from segloop.settings import Settings
from segloop.training.runs import automatic
from segloop.webhooks import manage
from services.api.webhook_sender import send_until

log = logging.getLogger(__name__)
IDLE_S = 0.1
AWAY_S = 1.0
SEAL_S = 1.0
ASK_S = 15.0
"""How often it looks whether a retraining came due by itself: when another run ended, for example."""


def relay_and_reap(engine: Engine, send: outbox.Send, settings: Settings, stop: threading.Event) -> None:
    """Relay until `stop` is set, reaping every `reaper_interval_s` and sealing the audit record; what is away is tried again."""
    reaped = asked = sealed = -ASK_S
    while not stop.is_set():
        alive.give(settings.scratch, "relay")
        try:
            if time.monotonic() - reaped >= settings.reaper_interval_s:
                with transaction(engine) as conn:
                    outbox.reap_once(
                        conn,
                        resend_after_s=settings.resend_after_s,
                        max_interruptions=settings.max_interruptions,
                    )
                    hold.follow_once(conn)
                reaped = time.monotonic()
            if time.monotonic() - sealed >= SEAL_S:
                with transaction(engine) as conn:
                    audit.seal_once(conn)
                sealed = time.monotonic()
            if time.monotonic() - asked >= ASK_S:
                asked = time.monotonic()
                automatic.start_where_due(engine)
            with transaction(engine) as conn:
                sent = outbox.relay_once(conn, send)
            if not sent:
                stop.wait(IDLE_S)
        except SegloopError as error:
            log.warning("waiting: %s", error.code)
            stop.wait(AWAY_S)


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = Settings.from_env()
    logs.configure(settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    celery = broker.make_celery(settings.redis_url)

    def send(task: str, queue: str, job_id: str) -> None:
        broker.send(celery, task=task, queue=queue, job_id=job_id)

    engine = open_engine(settings.database_url, pool_size=4)
    rules = manage.rules_of(settings)
    if rules is not None:
        threading.Thread(target=send_until, args=(engine, rules, stop), daemon=True).start()
    relay_and_reap(engine, send, settings, stop)


if __name__ == "__main__":
    main()
