"""Signs of life come from the loop that works: a process that only exists gives none."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from segloop import alive
from segloop.database import open_engine, transaction
from segloop.errors import Unavailable
from segloop.jobs.workers import table
from segloop.jobs.workers.beat import Beat, gpu_memory
from segloop.settings import Settings
from services.dicom_gateway import loop
from tests.conftest import ROOT

WORKER = """
import time
from segloop.broker import QueueName, TaskName, install_bell, make_celery
from segloop.database import open_engine
from segloop.jobs.bell import Bell, selftest
from segloop.settings import Settings

settings = Settings.from_env()
app = make_celery(settings.redis_url)
bell = Bell(open_engine(settings.database_url), queue=QueueName.SEGMENTATION, works={"selftest": selftest}, settings=settings)
install_bell(app, [TaskName.SELFTEST], ring=bell.ring, close=bell.close, beat=bell.beat)
"""


def eventually(found: Callable[[], bool]) -> None:
    limit = time.monotonic() + 90
    while not found():
        assert time.monotonic() < limit
        time.sleep(0.1)


def is_alive(scratch: Path, name: str) -> bool:
    try:
        alive.check(scratch, name)
    except Unavailable:
        return False
    return True


@pytest.mark.slow
def test_a_worker_gives_signs_from_the_thread_that_works_and_none_when_it_hangs(
    environment: dict[str, str], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small_worker.py").write_text(WORKER)
    command = [sys.executable, "-m", "celery", "-A", "small_worker", "worker", "-Q", "segmentation"]
    environment |= {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": os.environ["PATH"]}
    check = [sys.executable, "-m", "segloop.alive", "segmentation"]
    with (tmp_path / "log").open("wb") as log:
        worker = subprocess.Popen(
            [*command, "--pool=threads"], cwd=tmp_path, env=environment, stdout=log, stderr=log
        )
    try:
        eventually(lambda: is_alive(settings.scratch, "segmentation"))
        assert subprocess.run(check, env=environment, check=False).returncode == 0
        first = next(tmp_path.glob("alive-segmentation-*")).read_text()
        eventually(lambda: next(tmp_path.glob("alive-segmentation-*")).read_text() != first)
        engine = open_engine(settings.database_url)
        with transaction(engine) as conn:
            names = [row.name for row in conn.execute(table.workers.select())]
        engine.dispose()
        assert any(name.startswith("segmentation@") for name in names)

        worker.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(alive, "LIMIT_S", 6.0)
        eventually(lambda: not is_alive(settings.scratch, "segmentation"))
        assert worker.poll() is None  # the process is still there
    finally:
        worker.send_signal(signal.SIGCONT)
        worker.terminate()
        worker.wait(60)


def test_what_was_never_given_is_old_or_of_another_boot_is_no_sign(tmp_path: Path) -> None:
    assert not is_alive(tmp_path, "relay")
    alive.give(tmp_path, "relay")
    assert is_alive(tmp_path, "relay") and not is_alive(tmp_path, "segmentation")
    (sign,) = tmp_path.iterdir()
    for text in (str(time.monotonic() - 61), str(time.monotonic() + 1000), ""):
        sign.write_text(text)
        assert not is_alive(tmp_path, "relay")


def test_a_gateway_whose_step_hangs_gives_no_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "WATCH_S", 0.05)
    monkeypatch.setattr(loop, "LONGEST_STEP_S", 0.5)
    monkeypatch.setattr(loop, "IDLE_S", 0.05)
    loops = loop.Loops(tmp_path)
    hangs: list[bool] = []
    loops.add("follow", lambda: False)
    loops.add("deliver", lambda: bool(hangs and time.sleep(30)))
    loops.start()
    try:
        eventually(lambda: is_alive(tmp_path, "gateway"))
        hangs.append(True)
        monkeypatch.setattr(alive, "LIMIT_S", 1.0)
        eventually(lambda: not is_alive(tmp_path, "gateway"))
    finally:
        monkeypatch.setattr(loop, "END_S", 0.0)
        loops.stop()


def test_a_beat_outlives_a_database_that_is_away_and_reads_gpu_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = open_engine("postgresql://nobody:x@127.0.0.1:9/none", pool_size=1)
    Beat(away, name="w@1", queue="training", scratch=tmp_path)()
    assert is_alive(tmp_path, "training")
    Beat(away, name="w@1", queue="training", scratch=tmp_path / "absent")()

    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '1024, 4096'\necho '1, 4096'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert gpu_memory() == (1025 * 2**20, 8192 * 2**20)
    tool.write_text("#!/bin/sh\necho 'No devices were found'; exit 6\n")
    assert gpu_memory() is None
