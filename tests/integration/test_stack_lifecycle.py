"""The stack as its user meets it: up, down, killed, run twice, its ports taken."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import psycopg2
import pytest

from segloop.settings import Settings
from segloop.stack import seaweed, state
from segloop.stack.home import open_home
from tests.conftest import ROOT


class Installation:
    """One data folder, driven through the command line; without the slow workers and pages."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("SEGLOOP_")
        }
        self.environment |= {"SEGLOOP_HOME": str(root), "SEGLOOP_WITHOUT": "worker_gpu,trainer,ui,flower"}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        command = [sys.executable, "-m", "segloop.cli", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, check=False, capture_output=True, text=True, timeout=120
        )

    def up(self) -> None:
        """Start, and fail with what the command said."""
        started = self.run("up")
        assert started.returncode == 0, started.stderr
        assert httpx.get(f"{self.settings().api_url}/ready").status_code == 200

    def settings(self) -> Settings:
        """Return the settings of the last start."""
        return Settings.from_env(state.environment(self.root))

    def pids(self) -> dict[str, int]:
        """Return the processes that run, by service."""
        return {row["service"]: row["pid"] for row in state.read(self.root).services if row["pid"]}


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="segloop-test-"))
    open_home(folder)
    installed = Installation(folder)
    yield installed
    stopped = installed.run("down")
    assert stopped.returncode == 0, stopped.stderr
    shutil.rmtree(folder)


def _eventually(condition: Callable[[], bool], limit_s: float = 20.0) -> bool:
    limit = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


def _leave_a_mark(settings: Settings) -> None:
    keys = json.loads((settings.scratch.parent / "credentials.json").read_text())
    connection = psycopg2.connect(settings.owner_database_url.replace("+psycopg2", ""))
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS mark AS SELECT 42 AS answer")
    connection.close()
    s3 = _store(settings, keys)
    s3.put_object(settings.s3_bucket, "mark", io.BytesIO(b"kept"), 4)


def _mark_is_there(settings: Settings) -> bool:
    connection = psycopg2.connect(settings.owner_database_url.replace("+psycopg2", ""))
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM mark")
        found = cursor.fetchone()
    connection.close()
    keys = json.loads((settings.scratch.parent / "credentials.json").read_text())
    return found == (42,) and _store(settings, keys).get_object(settings.s3_bucket, "mark").read() == b"kept"


def _store(settings: Settings, keys: dict[str, str]) -> "seaweed.minio.Minio":
    from segloop.stack.credentials import Credentials

    return seaweed.client(Credentials(**keys), int(settings.s3_endpoint.split(":")[1]))


def test_a_cold_start_makes_everything_and_a_restart_keeps_the_data(installation: Installation) -> None:
    installation.up()
    ports = state.ports(installation.root)
    _leave_a_mark(installation.settings())
    for private in ("credentials.json", "run/environment.json"):
        assert (installation.root / private).stat().st_mode & 0o077 == 0
    pids = installation.pids()
    assert {"postgres", "valkey", "seaweed", "api", "relay"} == set(pids)

    assert installation.run("down").returncode == 0
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert installation.run("status").returncode == 3

    installation.up()
    assert state.ports(installation.root) == ports
    assert _mark_is_there(installation.settings())


def test_a_second_supervisor_on_the_same_folder_is_refused_and_up_says_it_runs(
    installation: Installation,
) -> None:
    installation.up()
    pids = installation.pids()
    second = installation.run("up", "--foreground")
    assert second.returncode == 1 and "already running" in second.stderr
    again = installation.run("up")
    assert again.returncode == 0 and "already runs" in again.stdout
    assert installation.pids() == pids


def test_a_killed_service_is_started_again(installation: Installation) -> None:
    installation.up()
    before = installation.pids()["api"]
    os.kill(before, signal.SIGKILL)

    def is_back() -> bool:
        return state.read(installation.root).phase == "healthy" and installation.pids().get("api") not in (
            None,
            before,
        )

    assert _eventually(is_back)
    assert httpx.get(f"{installation.settings().api_url}/ready").status_code == 200


def test_a_killed_supervisor_leaves_no_process_and_the_next_start_has_the_data(
    installation: Installation,
) -> None:
    installation.up()
    _leave_a_mark(installation.settings())
    pids = installation.pids()
    supervisor = state.read(installation.root).supervisor
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    assert _eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids.values()))
    assert state.read(installation.root).phase == "stopped"
    installation.up()
    assert _mark_is_there(installation.settings())


def test_when_a_port_is_taken_the_stack_moves_to_another_block(installation: Installation) -> None:
    installation.up()
    _leave_a_mark(installation.settings())
    before = state.ports(installation.root)
    installation.run("down")
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", before["postgres"]))
        stranger.listen()
        installation.up()
    assert not set(before.values()) & set(state.ports(installation.root).values())
    assert _mark_is_there(installation.settings())
