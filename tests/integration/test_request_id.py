"""One id from a request to the worker's log, and to the problem document of what went wrong."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from segloop import logs
from segloop.database import open_engine
from segloop.jobs.bell import selftest
from segloop.jobs.run import Limits, run_next
from segloop.settings import Settings
from services.api.main import create_app
from tests import orthanc
from tests.conftest import ROOT

ID = "0123456789abcdef-0123"
AUTH = {"Authorization": "Bearer test-token"}


@contextmanager
def process(log: Path, environment: dict[str, str], *arguments: str) -> Iterator[None]:
    with log.open("wb") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, stderr=output, stdout=output
        )
    try:
        yield
    finally:
        started.terminate()
        started.wait(60)


def eventually(found: Callable[[], bool]) -> None:
    limit = time.monotonic() + 90
    while not found():
        assert time.monotonic() < limit
        time.sleep(0.1)


def lines(log: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def test_one_id_leads_from_the_request_through_api_and_relay_to_the_worker(
    environment: dict[str, str], settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api_log, relay_log, port = tmp_path / "api.log", tmp_path / "relay.log", orthanc.free_port()
    url = f"http://127.0.0.1:{port}"
    factory = ("uvicorn", "--factory", "services.api.main:create_app", f"--port={port}")

    def is_ready() -> bool:
        try:
            return httpx.get(f"{url}/ready").status_code == 200
        except httpx.TransportError:
            return False

    with process(api_log, environment, *factory), process(relay_log, environment, "services.api.relay"):
        eventually(is_ready)
        answer = httpx.post(f"{url}/v1/jobs", json={"kind": "selftest"}, headers=AUTH | {"X-Request-Id": ID})
        assert answer.status_code in (200, 201, 202), answer.text
        assert answer.headers["X-Request-Id"] == ID
        job = answer.json()
        assert job["request_id"] == ID
        eventually(lambda: job["id"] in relay_log.read_text())
        eventually(lambda: "POST /v1/jobs" in api_log.read_text())

    (access,) = [line for line in lines(api_log) if "POST /v1/jobs" in line["message"]]
    assert access["request_id"] == ID
    (rang,) = [line for line in lines(relay_log) if line.get("job_id") == job["id"]]
    assert rang["request_id"] == ID

    engine = open_engine(settings.database_url, pool_size=2)
    with caplog.at_level(logging.INFO):
        caplog.handler.setFormatter(logs.JsonFormatter())
        done = run_next(
            engine, queue="segmentation", works={"selftest": selftest}, worker="w", limits=Limits(30, 1, 3, 3)
        )
    engine.dispose()
    assert done is not None and done.id == job["id"]
    took = [json.loads(line) for line in caplog.text.splitlines() if job["id"] in line]
    assert {line["message"] for line in took} >= {"took a job of kind selftest", "succeeded"}
    assert all(line["request_id"] == ID for line in took)


def test_what_could_be_a_name_is_no_id_and_problems_tell_the_id(settings: Settings) -> None:
    app = create_app(settings)

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("a bug")

    with TestClient(app, raise_server_exceptions=False) as api:
        for given in ("Doe^John", "0123", "x" * 20, "0" * 65):
            answer = api.get("/health", headers={"X-Request-Id": given})
            assert (
                logs.is_request_id(answer.headers["X-Request-Id"]) and answer.headers["X-Request-Id"] != given
            )
        for path, status in (("/v1/jobs", 401), ("/nowhere", 404), ("/broken", 500)):
            answer = api.get(path, headers={"X-Request-Id": ID})
            assert answer.status_code == status
            assert answer.json()["request_id"] == answer.headers["X-Request-Id"] == ID
