"""How often: wrong sign-ins and credentials of an address, and what a person or key posts, counted by the minute in Valkey."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from segloop.accounts.actor import Actor, Kind
from segloop.errors import TooMany, Unauthorized
from segloop.settings import Settings

WINDOW_S = 60
WAIT_S = 0.3
AWAY_S = 10.0
"""Valkey that did not answer in `WAIT_S` is not asked again for so long."""


class Limits:
    """Counts by the minute. Without Valkey each process counts for itself: the work goes on, and is not unlimited.

    What is right is never refused for what others do at the same address.
    """

    def __init__(self, settings: Settings) -> None:
        self._valkey = redis.Redis.from_url(
            settings.redis_url, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S
        )
        self._most = {
            "sign-in": settings.wrong_sign_ins_per_minute,
            "credential": settings.wrong_credentials_per_minute,
            "post": settings.posts_per_minute,
        }
        self._lock = threading.Lock()
        self._own: Counter[str] = Counter()
        self._away_until = 0.0

    @contextmanager
    def sign_in(self, address: str) -> Iterator[None]:
        """Look at a sign-in; one that is wrong counts.

        Raises:
            TooMany: `too_many_sign_ins`, instead of `Unauthorized`.
        """
        with self._wrong("sign-in", address):
            yield

    @contextmanager
    def credential(self, address: str) -> Iterator[None]:
        """Look at a credential; one that is wrong counts.

        Raises:
            TooMany: `too_many_credentials`, instead of `Unauthorized`.
        """
        with self._wrong("credential", address):
            yield

    def post(self, actor: Actor) -> None:
        """Count a POST of a person or key; the commands of the machine itself are not counted.

        Raises:
            TooMany: `too_many_posts`.
        """
        if actor.kind is not Kind.INSTALLATION:
            who = actor.person_id or actor.reference
            self._require("post", self._count("post", who, 1) - 1)

    def close(self) -> None:
        """End the connections."""
        self._valkey.close()

    @contextmanager
    def _wrong(self, what: str, who: str) -> Iterator[None]:
        try:
            yield
        except Unauthorized:
            self._require(what, self._count(what, who, 1) - 1)
            raise

    def _require(self, what: str, n_before: int) -> None:
        most = self._most[what]
        if most and n_before >= most:
            left_s = WINDOW_S - int(time.time()) % WINDOW_S
            raise TooMany(
                f"too_many_{what.replace('-', '_')}s",
                f"Too many at once: {most} a minute are taken. Try again in {left_s} s.",
                retry_after_s=left_s,
            )

    def _count(self, what: str, who: str, n_more: int) -> int:
        """Return how many there are in this minute with these."""
        # A hash, for an address may be a person's; short, for it need not be unique among all.
        name = hashlib.sha256(f"{what}:{who}".encode()).hexdigest()[:24]
        key = f"segloop:limit:{name}:{int(time.time()) // WINDOW_S}"
        if time.monotonic() >= self._away_until:
            try:
                with self._valkey.pipeline(transaction=False) as ask:
                    ask.incrby(key, n_more)
                    ask.expire(key, 2 * WINDOW_S)
                    return int(ask.execute()[0])
            except redis.RedisError:
                self._away_until = time.monotonic() + AWAY_S
        with self._lock:
            minute = key.rpartition(":")[2]
            for old in [one for one in self._own if not one.endswith(f":{minute}")]:
                del self._own[old]
            self._own[key] += n_more
            return self._own[key]
