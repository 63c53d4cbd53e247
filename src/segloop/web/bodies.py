"""Limits of request bodies: how long they may be, and how slowly they may come."""

import asyncio
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATIENCE_S = 60.0
BYTES_A_SECOND = 8 * 2**10
"""A body may keep the server waiting for as long as it takes at this rate (64 kbit/s), and a minute more."""


class BodyRefused(HTTPException):
    """A body that is not taken, with a stable code; the connection ends with the answer."""

    def __init__(self, status_code: int, code: str, detail: str) -> None:
        super().__init__(status_code, detail, {"Connection": "close"})
        self.code = code


class BodyLimits:
    """ASGI middleware: refuses what is too long or too slow where the app reads it, so nothing is kept waiting for good.

    `most` returns how many bytes the body of a request may have, or None where the app itself counts them.
    """

    def __init__(
        self, app: ASGIApp, *, most: Callable[[Scope], int | None], patience_s: float = PATIENCE_S
    ) -> None:
        self._app, self._most, self._patience_s = app, most, patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._most(scope), self._patience_s)
        body.expect(Headers(scope=scope).get("content-length", ""))
        await self._app(scope, body.receive, send)


class _Body:
    def __init__(self, receive: Receive, most: int | None, patience_s: float) -> None:
        self._receive, self._most, self._patience_s = receive, most, patience_s
        self._n_expected = self._n_bytes = 0
        self._waited_s = 0.0
        self._is_whole = False

    def expect(self, length: str) -> None:
        self._n_expected = int(length) if length.isdigit() else 0

    async def receive(self) -> Message:
        if self._is_whole:  # what comes now is that the client went away
            return await self._receive()
        self._require_short(self._n_expected)
        left_s = self._patience_s + self._n_bytes / BYTES_A_SECOND - self._waited_s
        begun = time.monotonic()
        try:
            async with asyncio.timeout(max(left_s, 0.0)):
                message = await self._receive()
        except TimeoutError:
            raise BodyRefused(
                408, "body_too_slow", "The body came too slowly. Check the connection and send it again."
            ) from None
        self._waited_s += time.monotonic() - begun  # what the app does in between is not the client's time
        self._n_bytes += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        self._require_short(self._n_bytes)
        return message

    def _require_short(self, n_bytes: int) -> None:
        if self._most is not None and n_bytes > self._most:
            raise BodyRefused(
                413, "body_too_large", f"This takes at most {self._most} bytes; send less at once."
            )
