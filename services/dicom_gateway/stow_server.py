"""STOW-RS (PS3.18 10.5): series come in over HTTP into the same spool as by C-STORE, durable before they are confirmed."""

import asyncio
import hmac
import logging
import socket
import threading
import time
from contextlib import suppress

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from segloop.errors import InvalidInput
from services.dicom_gateway.config_stow import Stow
from services.dicom_gateway.parts import PartWriter, boundary_of
from services.dicom_gateway.spool import Spool
from services.dicom_gateway.stow_store import StowAnswer

log = logging.getLogger(__name__)
SILENCE_S = 60.0
"""How long a sender may say nothing in the middle of a body."""
MAX_CONNECTIONS = 64
_STATUSES = {"media_type": 415, "multipart_broken": 400, "too_many_parts": 413}


class StowServer:
    """Serves `/dicom-web/studies` from `start` to `stop`, in a thread of its own."""

    def __init__(self, config: Stow, spool: Spool) -> None:
        self._config, self._spool = config, spool
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        listening = socket.create_server((self._config.host, self._config.port), backlog=128)
        uses_tls = bool(self._config.certificates.certificate)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app(),
                log_config=None,
                access_log=False,  # addresses hold UIDs
                lifespan="off",
                server_header=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=5,
                ssl_context_factory=(lambda *_: self._config.certificates.server()) if uses_tls else None,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listening]}, name="stow", daemon=True
        )
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.01)

    def stop(self) -> None:
        """End, letting requests that are nearly done finish."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(30)

    def _app(self) -> Starlette:
        paths = ("/dicom-web/studies", "/dicom-web/studies/{study}")
        return Starlette(routes=[Route(path, self._stow, methods=["POST"]) for path in paths])

    async def _stow(self, request: Request) -> Response:
        sender = self._sender(request.headers.get("authorization", ""))
        if sender is None:
            return _problem(
                401,
                "unauthorized",
                "Send the credential that the gateway's configuration names.",
                "Bearer, Basic",
            )
        try:
            boundary = boundary_of(request.headers.get("content-type", ""))
            answer = await self._store(request, boundary, sender)
        except InvalidInput as error:
            return _problem(_STATUSES[error.code], error.code, error.message)
        except (ClientDisconnect, TimeoutError):
            log.warning("a STOW-RS request broke off")
            return _problem(408, "too_slow", "The body stopped coming. Send it again.")
        except OSError:
            log.error("the spool can't be written")
            return _problem(507, "spool_full", "The gateway's disk is full. Send it again later.")
        except Exception as error:  # its text may hold what a file says
            log.error("a STOW-RS request failed: %s", type(error).__name__)
            return _problem(500, "internal", "Something unexpected went wrong. Send it again.")
        return JSONResponse(answer.body, answer.status, media_type="application/dicom+json")

    async def _store(self, request: Request, boundary: bytes, sender: str) -> StowAnswer:
        answer = StowAnswer(self._spool, sender, request.path_params.get("study"))
        writer = PartWriter(boundary, self._spool.draft, self._config.limits)
        chunks = request.stream().__aiter__()
        try:
            with suppress(StopAsyncIteration):
                while True:
                    async with asyncio.timeout(SILENCE_S):
                        chunk = await anext(chunks)
                    for part in writer.feed(chunk):
                        await run_in_threadpool(answer.take, part)
            writer.finish()
        finally:
            writer.close()
        return answer

    def _sender(self, said: str) -> str | None:
        """Return who sends; all credentials are compared, so that the time taken tells nothing."""
        scheme, _, value = said.partition(" ")
        given = f"{scheme.capitalize()} {value.strip()}".encode()
        found = [
            name
            for name, credential in self._config.senders.items()
            if hmac.compare_digest(credential.header.encode(), given)
        ]
        return found[0] if found else None


def _problem(status: int, code: str, detail: str, authenticate: str = "") -> Response:
    headers = {"WWW-Authenticate": authenticate} if authenticate else {}
    body = {"type": "about:blank", "status": status, "code": code, "detail": detail}
    return JSONResponse(body, status, headers, media_type="application/problem+json")
