"""Connections to the broker notice a host that vanished, and an acknowledgement that failed keeps no place."""

import socket
from typing import Any

import pytest
from kombu import Consumer, Queue
from redis.exceptions import ConnectionError as Reset

from segloop import broker

QUEUE = broker.QueueName.SEGMENTATION


def test_a_vanished_broker_is_noticed_within_half_a_minute(redis_url: str) -> None:
    with broker.make_celery(redis_url).connection_for_read() as connection:
        pool = connection.default_channel.client.connection_pool
        one = pool.get_connection()
        try:
            raw = one._sock
            assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            idle, every, count = (
                raw.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle + every * count <= 30
            assert 0 < raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 30_000
        finally:
            pool.release(one)


def test_a_place_is_free_again_where_its_bell_could_not_be_acknowledged(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = broker.make_celery(redis_url)
    for job_id in ("one", "two"):
        broker.send(app, task="segloop.segment", queue=QUEUE, job_id=job_id)
    heard: list[Any] = []
    with app.connection_for_read() as connection, connection.channel() as channel:
        channel.basic_qos(0, 1, False)
        with Consumer(channel, [Queue(QUEUE)], callbacks=[lambda _, message: heard.append(message)]):
            connection.drain_events(timeout=10)
            with pytest.raises(TimeoutError):
                connection.drain_events(timeout=2)  # one place, and it is taken

            def lost(delivery_tag: str, pipe: Any = None) -> Any:
                raise Reset("by peer")

            with monkeypatch.context() as patch, pytest.raises(Reset):
                patch.setattr(channel.qos, "_remove_from_indices", lost)
                heard[0].ack()
            connection.drain_events(timeout=10)
    assert len({message.headers["id"] for message in heard}) == len(heard) == 2
