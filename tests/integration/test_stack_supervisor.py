"""The supervisor's own rules, on small processes instead of servers."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from segloop.errors import Unavailable
from segloop.stack import process
from segloop.stack.child import State
from segloop.stack.home import Home
from segloop.stack.service import Service
from segloop.stack.supervisor import Supervisor


@pytest.fixture
def home(tmp_path: Path) -> Home:
    for folder in ("run", "log"):
        (tmp_path / folder).mkdir()
    return Home(tmp_path, None)


def _service(
    name: str, code: str, folder: Path, *, after: tuple[str, ...] = (), one_shot: bool = False
) -> Service:
    return Service(name, (sys.executable, "-c", code), folder, {}, after=after, one_shot=one_shot)


def test_a_service_starts_only_after_those_it_needs_and_stops_before_them(home: Home, tmp_path: Path) -> None:
    note = "import time; open('order', 'a').write('{}\\n'); time.sleep({})"
    first = _service("first", note.format("first", 0.3), tmp_path, one_shot=True)
    second = _service("second", note.format("second", 60), tmp_path, after=("first",))
    running = Supervisor(home, [first, second])
    running.start(limit_s=10)
    deadline = time.monotonic() + 5
    while (tmp_path / "order").read_text() != "first\nsecond\n" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (tmp_path / "order").read_text() == "first\nsecond\n"
    child = running.children["second"].process
    assert child is not None
    running.stop()
    assert child.poll() is not None and not list(home.run.glob("*.pid"))


def test_a_service_that_keeps_failing_is_given_up_loudly(home: Home, tmp_path: Path) -> None:
    never_ready = Service(
        "broken", (sys.executable, "-c", "raise SystemExit(3)"), tmp_path, {}, check=lambda: 1 / 0 and None
    )
    running = Supervisor(home, [never_ready])
    with pytest.raises(Unavailable, match="broken keeps failing") as failure:
        running.start(limit_s=30)
    running.stop()
    assert failure.value.code == "crash_loop"
    assert running.children["broken"].state is State.FAILED and running.children["broken"].restarts == 5


def test_a_service_that_is_not_essential_may_keep_failing_beside_the_others(
    home: Home, tmp_path: Path
) -> None:
    works = _service("works", "import time; time.sleep(60)", tmp_path)
    broken = Service(
        "broken",
        (sys.executable, "-c", "raise SystemExit(3)"),
        tmp_path,
        {},
        check=lambda: 1 / 0 and None,
        essential=False,
    )
    running = Supervisor(home, [works, broken])
    running.start(limit_s=30)
    assert running.is_settled() and not running.is_healthy()
    child = running.children["broken"]
    assert child.state is State.FAILING and child.not_before > time.monotonic() + 10
    noted = json.loads((home.run / "state.json").read_text())
    assert noted["phase"] == "degraded"
    assert {row["service"]: row["failing"] for row in noted["services"]} == {"works": False, "broken": True}

    # The next try comes by itself, and what works then is healthy again.
    child.service = _service("broken", "import time; time.sleep(60)", tmp_path)
    child.not_before = 0.0
    deadline = time.monotonic() + 10
    while not running.is_healthy() and time.monotonic() < deadline:
        running.tick()
        time.sleep(0.02)
    assert json.loads((home.run / "state.json").read_text())["phase"] == "healthy"
    assert running.children["works"].restarts == 0
    running.stop()


def test_what_never_gets_ready_holds_up_the_start_only_if_it_is_essential(home: Home, tmp_path: Path) -> None:
    hangs = Service(
        "hangs",
        (sys.executable, "-c", "import time; time.sleep(60)"),
        tmp_path,
        {},
        check=lambda: 1 / 0 and None,
        essential=False,
    )
    running = Supervisor(home, [hangs])
    running.start(limit_s=1)
    assert json.loads((home.run / "state.json").read_text())["phase"] == "degraded"
    running.stop()
    needed = Supervisor(home, [replace(hangs, essential=True)])
    with pytest.raises(Unavailable, match="hangs"):
        needed.start(limit_s=1)
    needed.stop()


def test_a_failed_migration_is_not_tried_again(home: Home, tmp_path: Path) -> None:
    running = Supervisor(home, [_service("migrations", "raise SystemExit(1)", tmp_path, one_shot=True)])
    with pytest.raises(Unavailable, match="migrations"):
        running.start(limit_s=10)
    assert running.children["migrations"].restarts == 0


def test_a_leftover_is_ended_but_a_stranger_with_its_pid_is_not(home: Home) -> None:
    leftover = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    ours, strangers = home.run / "ours.pid", home.run / "strangers.pid"
    process.remember(ours, leftover)
    strangers.write_text(f'{{"pid": {psutil.Process().pid}, "command": ["something", "else"]}}')
    time.sleep(0.1)  # the command line is the parent's until the child has become its program
    assert process.end_leftover(ours, signal.SIGTERM, 5)
    assert not psutil.pid_exists(leftover.pid)
    leftover.wait()
    assert not process.end_leftover(strangers, signal.SIGKILL, 5)
    assert not ours.exists() and not strangers.exists()


def test_a_group_outliving_its_leader_is_ended_with_it(home: Home, tmp_path: Path) -> None:
    grandchild = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)"
    running = Supervisor(home, [_service("parent", grandchild, tmp_path)])
    running.start(limit_s=10)
    parent = running.children["parent"].process
    assert parent is not None
    deadline = time.monotonic() + 5
    while not (children := psutil.Process(parent.pid).children()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert children
    running.stop()
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert gone and not alive
