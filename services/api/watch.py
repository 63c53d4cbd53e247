"""Let many requests wait for jobs to change, with one question to the database a beat and no thread or connection held."""

import asyncio
import logging
import random
from dataclasses import dataclass, field, replace

from starlette.concurrency import run_in_threadpool

from segloop.database import Engine, narrow, transaction
from segloop.errors import SegloopError
from segloop.jobs import table
from segloop.jobs.job import Job

log = logging.getLogger(__name__)
BEAT_S = 0.5
SHORTEST = 0.75
"""The part of the asked time that a wait lasts at least: those that began together then don't all come again together."""
MOST_WAITING = 200


@dataclass(eq=False)
class _Waiting:
    """A request that waits, and the job as it last saw it."""

    seen: Job
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Watcher:
    """Used from the event loop only, which is why it needs no lock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: set[_Waiting] = set()
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, seen: Job, limit_s: float) -> None:
        """Return as soon as a job is not as it was seen, when the time, or three quarters of it, is over, or at once where too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            return
        mine = _Waiting(lasting(seen))
        self._waiting.add(mine)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(limit_s * random.uniform(SHORTEST, 1.0)):  # noqa: S311
                await mine.changed.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(mine)

    async def _look(self) -> None:
        while self._waiting:
            await asyncio.sleep(BEAT_S)
            jobs = [waiting.seen for waiting in self._waiting]
            try:
                found = await run_in_threadpool(self._read, jobs)
            except SegloopError as error:
                log.warning("waiting: %s", error.code)
                continue
            for waiting in self._waiting:
                if found.get(waiting.seen.id) != waiting.seen:
                    waiting.changed.set()

    def _read(self, seen: list[Job]) -> dict[str, Job]:
        with transaction(narrow(self._engine, {job.project_id for job in seen})) as conn:
            ids = sorted({job.id for job in seen})
            return {job.id: lasting(job) for job in table.list_by_ids(conn, ids)}


def lasting(job: Job) -> Job:
    """Return what of a job is news where it changes: every heartbeat renews the lease, which is none."""
    return replace(job, lease_expires_at=None)
