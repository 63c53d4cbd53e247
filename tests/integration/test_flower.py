"""Flower as it is started: every door asks for the password but the health check."""

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests import orthanc
from tests.conftest import ROOT


@pytest.mark.slow
def test_every_door_asks_for_the_password_but_the_health_check(
    environment: dict[str, str], tmp_path: Path
) -> None:
    port = orthanc.free_port()
    command = [sys.executable, "-m", "celery", "-A", "services.flower", "flower"]
    command += ["--address=127.0.0.1", f"--port={port}"]
    with (tmp_path / "log").open("wb") as log:
        flower = subprocess.Popen(
            command, cwd=ROOT, env=environment | {"PYTHONPATH": str(ROOT)}, stdout=log, stderr=log
        )
    try:
        url, limit = f"http://127.0.0.1:{port}", time.monotonic() + 90
        while True:
            try:
                assert httpx.get(f"{url}/healthcheck").status_code == 200
                break
            except httpx.TransportError:
                assert time.monotonic() < limit and flower.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.2)
        for path in (
            "/",
            "/workers",
            "/tasks",
            "/broker",
            "/metrics",
            "/api/workers",
            "/api/tasks",
            "/api/queues/length",
        ):
            assert httpx.get(f"{url}{path}").status_code == 401, path
            assert httpx.get(f"{url}{path}", auth=("segloop", "wrong")).status_code == 401, path
        for path in ("/metrics", "/api/tasks"):
            assert httpx.get(f"{url}{path}", auth=("segloop", "test-token")).status_code == 200, path
        control = httpx.post(f"{url}/api/task/async-apply/segloop.segment", json={})
        assert control.status_code == 401
    finally:
        flower.terminate()
        flower.wait(30)
