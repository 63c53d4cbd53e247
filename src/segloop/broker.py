"""The only maker of Celery apps: a message is `{job_id}` and rings the bell; Postgres owns the job."""

import socket
import threading
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from celery import Celery
from celery.signals import worker_ready, worker_shutting_down
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES, redis, virtual

from segloop.errors import Unavailable

BEAT_S = 5.0
_NOTICED = {
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 20_000,  # ms
}
"""A broker whose host vanishes says nothing: without these a worker that listens would wait for it for hours."""


class QueueName(StrEnum):
    """The queues that workers consume."""

    SEGMENTATION = "segmentation"
    SEGMENTATION_STAT = "segmentation-stat"
    TRAINING = "training"


ENOUGH_BELLS = 100
"""How many bells may wait in the stat queue, which nobody hears where no worker is kept free for stat."""


class TaskName(StrEnum):
    """The Celery functions, by name, so that a producer never imports a consumer."""

    SEGMENT = "segloop.segment"
    SELFTEST = "segloop.selftest"
    TRAIN = "segloop.train"
    EVALUATE = "segloop.evaluate"


class _QoS(redis.QoS):  # type: ignore[misc]
    """What a worker has heard and not acknowledged."""

    def ack(self, delivery_tag: Any) -> None:
        """Acknowledge a bell. Where the broker can't be told, it counts as heard here all the same.

        Else its place would stay taken for ever, and a worker of one place would never hear another bell.
        """
        try:
            super().ack(delivery_tag)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise


class _Channel(redis.Channel):  # type: ignore[misc]
    QoS = _QoS


class Transport(redis.Transport):  # type: ignore[misc]
    """Kombu's Redis, whose workers go on hearing after an acknowledgement that got lost."""

    Channel = _Channel


TRANSPORT_ALIASES["redis"] = (
    f"{__name__}:{Transport.__name__}"  # by its name: Flower knows brokers by the scheme of their address
)


def make_celery(redis_url: str, queues: Iterable[QueueName] = QueueName) -> Celery:
    """Return a Celery app with the settings every process shares; a worker names the queues that it may hear.

    Early acknowledgement is right here: the message carries no work, only an id, and the
    reaper rings again for whatever is not claimed.
    """
    app = Celery("segloop", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_acks_late=False,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_serializer="json",
        accept_content=["json"],
        task_queues=[Queue(name.value, Exchange(name.value), routing_key=name.value) for name in queues],
        task_default_queue=next(iter(queues)).value,
        task_create_missing_queues=False,
        worker_prefetch_multiplier=1,
        worker_concurrency=1,
        worker_send_task_events=True,
        task_send_sent_event=True,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "socket_keepalive_options": _NOTICED,
        },
        task_publish_retry=False,
    )
    return app


def send(app: Celery, *, task: str, queue: str, job_id: str) -> None:
    """Ring the bell for one job; sending twice is harmless.

    A queue that no worker serves has no bell: a job that is held there waits until it is moved.

    Raises:
        Unavailable: `broker_unavailable` when Redis can't be reached.
    """
    if queue not in set(QueueName) or (queue == QueueName.SEGMENTATION_STAT and _has_enough(app, queue)):
        return
    try:
        app.send_task(task, kwargs={"job_id": job_id}, queue=queue)
    except (OperationalError, OSError, ConnectionError) as error:
        raise _away() from error


def _has_enough(app: Celery, queue: str) -> bool:
    connection: Any = app.connection_for_write()
    try:
        return int(connection.default_channel.client.llen(queue)) >= ENOUGH_BELLS
    except (OperationalError, OSError, *connection.connection_errors) as error:
        raise _away() from error
    finally:
        connection.release()


def _away() -> Unavailable:
    return Unavailable("broker_unavailable", "The message broker can't be reached; try again soon.")


def ping(app: Celery) -> None:
    """Check that Redis answers.

    Raises:
        Unavailable: `broker_unavailable`.
    """
    connection: Any = app.connection_for_write()
    try:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
    except (OperationalError, OSError, ConnectionError) as error:
        raise _away() from error
    finally:
        connection.release()


def install_bell(
    app: Celery,
    names: list[TaskName],
    *,
    ring: Callable[[str], str],
    close: Callable[[], None],
    beat: Callable[[], None],
) -> None:
    """Register the tasks a worker consumes: each calls `ring(job_id)`; `close` runs when a shutdown begins.

    `beat` is run every `BEAT_S` by the thread that does the tasks, once it is free: that it comes round proves that
    the worker could take one.
    """
    for name in names:

        def task(job_id: str) -> str:
            return ring(job_id)

        app.task(name=name.value, ignore_result=True)(task)
    # weak=False: the receiver lives as long as the process.
    worker_shutting_down.connect(lambda **_: close(), weak=False)
    worker_ready.connect(lambda sender, **_: _repeat(sender, beat), weak=False)


def _repeat(consumer: Any, beat: Callable[[], None]) -> None:
    waiting = threading.Event()

    def once() -> None:
        try:
            beat()
        finally:
            waiting.clear()

    def due() -> None:
        if not waiting.is_set():  # behind a job that runs, one is enough
            waiting.set()
            consumer.pool.apply_async(once, callback=lambda _: None)

    due()
    consumer.timer.call_repeatedly(BEAT_S, due)
