"""Work that is done again and again while the API serves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from starlette.concurrency import run_in_threadpool


@asynccontextmanager
async def repeating(do: Callable[[], None], every_s: float) -> AsyncIterator[None]:
    """Do something in a thread every so many seconds while the block lasts."""
    task = asyncio.create_task(_repeat(do, every_s))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _repeat(do: Callable[[], None], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        await run_in_threadpool(do)
