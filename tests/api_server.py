"""The API as a real server in this process, for tests that need a socket, and jobs for it without a model."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from segloop.settings import Settings
from services.api.main import create_app
from tests import orthanc


@contextmanager
def serve(settings: Settings) -> Iterator[str]:
    """Run the API until the block ends, and return its address."""
    with serve_app(create_app(settings)) as address:
        yield address


@contextmanager
def serve_app(app: ASGIApp) -> Iterator[str]:
    """Run any app until the block ends, and return its address."""
    port = orthanc.free_port()
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    end = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < end
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
