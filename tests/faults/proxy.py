"""A TCP proxy that does what networks do: cut, hang, lose one direction, delay, break off in mid-message, reset."""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

Way = Literal["up", "down"]
BOTH: frozenset[Way] = frozenset({"up", "down"})


@dataclass(frozen=True)
class Fault:
    """What happens to bytes; "up" runs to the server, "down" to the client."""

    refuse: bool = False
    """New connections are reset at once, and those that are open, too."""
    hold: frozenset[Way] = frozenset()
    """These ways stand still and go on later, as in a partition that heals."""
    lose: frozenset[Way] = frozenset()
    """Bytes of these ways vanish; when the fault ends, such connections are reset, for they can't be mended."""
    delay_s: float = 0.0
    jitter_s: float = 0.0
    slice_bytes: int = 65536
    reset_rate: float = 0.0
    """How likely a piece of bytes resets its connection instead of arriving."""
    reset_where: bytes | None = None
    """A piece with these bytes in it resets its connection instead of arriving."""
    break_after_bytes: int | None = None
    """Each connection ends after so many bytes to the client."""
    answer: bytes | None = None
    """What is answered, by nobody, to whatever a client says; then its connection ends."""


NONE = Fault()
REFUSE = Fault(refuse=True)
HANG = Fault(hold=BOTH)
BLACK_HOLE = Fault(lose=BOTH)
HALF_OPEN = Fault(lose=frozenset({"down"}))


@dataclass(eq=False)
class _Link:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    lost: bool = False
    n_down: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def reset(self) -> None:
        for writer in (self.client, self.server):
            _reset(writer)
        for task in self.tasks:
            task.cancel()


class Proxy:
    """Listens on a port of its own from `start` until `stop`; `set` may be called from any thread."""

    def __init__(self, target_port: int, *, seed: int = 0) -> None:
        self.port = 0
        self.fault = NONE
        self.n_resets = 0
        self._target = target_port
        self._random = random.Random(seed)
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> "Proxy":
        self._thread.start()
        self._server: asyncio.Server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def set(self, fault: Fault) -> None:
        """Let another fault begin; `NONE` ends all of them."""
        self._do(self._set(fault))

    def reset_all(self) -> None:
        """Reset the connections that are open; new ones are taken."""
        self._do(self._reset_links(lambda link: True))

    def _do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    async def _set(self, fault: Fault) -> None:
        self.fault = fault
        cut = fault.refuse or fault.answer is not None
        await self._reset_links(lambda link: cut or (link.lost and not fault.lose))

    async def _reset_links(self, which: Any) -> None:
        for link in [link for link in self._links if which(link)]:
            link.reset()

    async def _close(self) -> None:
        self._server.close()
        tasks = [task for link in self._links for task in link.tasks]
        await self._reset_links(lambda link: True)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault.refuse:
            _reset(writer)
            return
        if self.fault.answer is not None:
            await reader.read(65536)
            writer.write(self.fault.answer)
            writer.close()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(writer)
            return
        link = _Link(writer, up_writer)
        self._links.add(link)
        link.tasks = [
            asyncio.create_task(self._pump(link, reader, up_writer, "up")),
            asyncio.create_task(self._pump(link, up_reader, writer, "down")),
        ]
        await asyncio.gather(*link.tasks, return_exceptions=True)
        self._links.discard(link)

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way
    ) -> None:
        try:
            while piece := await reader.read(self.fault.slice_bytes):
                while way in self.fault.hold:
                    await asyncio.sleep(0.02)
                fault = self.fault
                if way in fault.lose:
                    link.lost = True
                    continue
                if fault.delay_s or fault.jitter_s:
                    await asyncio.sleep(
                        max(0.0, fault.delay_s + self._random.uniform(-1, 1) * fault.jitter_s)
                    )
                is_named = fault.reset_where is not None and fault.reset_where in piece
                if is_named or (fault.reset_rate and self._random.random() < fault.reset_rate):
                    self.n_resets += 1
                    link.reset()
                    return
                if way == "down":
                    link.n_down += len(piece)
                    if fault.break_after_bytes is not None and link.n_down > fault.break_after_bytes:
                        writer.write(piece[: len(piece) // 2])
                        await writer.drain()
                        break
                writer.write(piece)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            link.reset()
        finally:
            # One end is gone: the other hears of it.
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
