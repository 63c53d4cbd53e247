"""The front door before there is a Python environment: what it says, and that it never waits for the dead."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from segloop.stack.applications import ROOT

TOOLS = ("sh", "cat", "cksum", "dirname", "mkdir", "rm", "sed", "cut", "sleep")


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with the POSIX tools the script needs, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return str(folder)


def _open(path: str, venv: Path, *, limit_s: float = 20) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path, "SEGLOOP_VENV": str(venv)}
    return subprocess.run(
        [ROOT / "segloop", "status"],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=limit_s,
    )


def test_without_python_3_11_it_says_how_to_get_it(bare_path: str, tmp_path: Path) -> None:
    refused = _open(bare_path, tmp_path / "venv")
    assert refused.returncode == 1
    assert refused.stderr == (
        "segloop: Python 3.11 is needed, and there is none here.\n"
        "segloop: Install it (Debian 12: apt-get install python3.11-venv;"
        " elsewhere: https://www.python.org/downloads/),\n"
        "segloop: or set SEGLOOP_PYTHON to a Python 3.11 that is not on the PATH.\n"
    )


def test_the_lock_of_a_killed_installation_is_taken_over_and_given_back(
    bare_path: str, tmp_path: Path
) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    lock = tmp_path / "venv.lock"
    lock.mkdir()
    (lock / "pid").write_text(f"{dead.pid}\n")
    assert _open(bare_path, tmp_path / "venv").returncode == 1
    assert not lock.exists()


def test_a_process_that_got_the_dead_installers_pid_does_not_hold_the_lock(
    bare_path: str, tmp_path: Path
) -> None:
    lock = tmp_path / "venv.lock"
    lock.mkdir()
    (lock / "pid").write_text(f"{os.getpid()}\n")
    (lock / "started").write_text("1\n")
    assert _open(bare_path, tmp_path / "venv").returncode == 1
    assert not lock.exists()


def test_a_lock_whose_owner_was_killed_before_it_could_sign_is_taken_over(
    bare_path: str, tmp_path: Path
) -> None:
    (tmp_path / "bin/sleep").unlink()
    (tmp_path / "bin/sleep").symlink_to(
        str(shutil.which("true"))
    )  # so that the seconds of patience pass at once
    (tmp_path / "venv.lock").mkdir()
    assert _open(bare_path, tmp_path / "venv").returncode == 1
    assert not (tmp_path / "venv.lock").exists()


def test_an_installer_at_work_keeps_its_lock(bare_path: str, tmp_path: Path) -> None:
    lock = tmp_path / "venv.lock"
    lock.mkdir()
    (lock / "pid").write_text(f"{os.getpid()}\n")
    (lock / "started").write_text(Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19] + "\n")
    with pytest.raises(subprocess.TimeoutExpired):
        _open(bare_path, tmp_path / "venv", limit_s=2)
    assert (lock / "pid").read_text() == f"{os.getpid()}\n"
