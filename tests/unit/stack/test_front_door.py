"""The front door before there is a Python environment: what it says, and that it never waits for the dead."""

import shutil
import subprocess
from pathlib import Path

import pytest

from segloop.stack.applications import ROOT

TOOLS = ("sh", "cat", "cksum", "dirname", "mkdir", "rm", "sleep")


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with the POSIX tools the script needs, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return str(folder)


def _open(path: str, venv: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path, "SEGLOOP_VENV": str(venv)}
    return subprocess.run(
        [ROOT / "segloop", "status"], env=environment, check=False, capture_output=True, text=True, timeout=20
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
