"""Bodies that are too long or too slow are refused where they are read, and others are not touched."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from segloop.web.bodies import BodyLimits, BodyRefused


@pytest.fixture
def http() -> Iterator[TestClient]:
    app = FastAPI()

    @app.post("/json")
    def json_(body: dict[str, Any]) -> int:
        return len(body)

    @app.post("/bytes")
    async def bytes_(request: Request) -> int:
        return len(await request.body())

    app.add_middleware(BodyLimits, most=lambda scope: None if scope["path"] == "/bytes" else 100)
    with TestClient(app, headers={"content-type": "application/json"}) as client:
        yield client


def test_a_long_body_is_refused_by_its_length_and_where_that_lies_or_lacks_as_it_comes(
    http: TestClient,
) -> None:
    long = b'{"a": "' + b"x" * 200 + b'"}'
    assert http.post("/json", content=b'{"a": 1}').json() == 1
    assert http.post("/json", content=long).status_code == 413
    assert http.post("/json", content=iter([long[:90], long[90:]])).status_code == 413
    refused = http.post("/json", content=long, headers={"content-length": "20"})
    assert refused.status_code == 413 and refused.headers["connection"] == "close"
    assert http.post("/bytes", content=long).json() == len(long)


async def _read(chunks: list[tuple[float, bytes]], *, patience_s: float, work_s: float = 0.0) -> bytes:
    """Read a body whose chunks come after pauses, as an app that works between them."""
    waiting = list(chunks)

    async def receive() -> dict[str, Any]:
        pause_s, body = waiting.pop(0)
        await asyncio.sleep(pause_s)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    read = bytearray()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            read.extend(message["body"])
            if not message["more_body"]:
                return
            await asyncio.sleep(work_s)

    async def send(message: Any) -> None:
        raise AssertionError

    limits = BodyLimits(app, most=lambda scope: None, patience_s=patience_s)
    await limits({"type": "http", "headers": []}, receive, send)
    return bytes(read)


def test_a_body_that_stops_or_trickles_is_refused() -> None:
    for chunks in ([(60.0, b"x")], [(0.02, b"x")] * 200):
        with pytest.raises(BodyRefused) as refused:
            asyncio.run(_read(chunks, patience_s=0.2))
        assert (refused.value.status_code, refused.value.code) == (408, "body_too_slow")


def test_a_long_body_may_take_as_long_as_it_comes_at_the_least_rate_and_the_apps_own_work_does_not_count() -> (
    None
):
    big = b"x" * 2**20
    assert asyncio.run(_read([(0.05, big)] * 8, patience_s=0.2)) == big * 8
    assert asyncio.run(_read([(0.0, b"x")] * 5, patience_s=0.2, work_s=0.1)) == b"xxxxx"
