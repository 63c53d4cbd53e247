"""The browser's edit engine, journal and region, run by Node without a browser (ui/viewer/test)."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

VIEWER = ROOT / "ui/viewer"


def run(*command: str, cwd: Path, build: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"EDIT_BUILD": str(build)}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture
def viewer(tmp_path: Path) -> Path:
    """A copy of the viewer's sources with what its lock file names installed."""
    ignored = shutil.ignore_patterns("node_modules", "segloop_viewer", "*.egg-info")
    copy = shutil.copytree(VIEWER, tmp_path / "viewer", ignore=ignored)
    if (VIEWER / "node_modules/vite").is_dir():
        (copy / "node_modules").symlink_to(VIEWER / "node_modules")
        return copy
    done = run("npm", "ci", "--no-audit", "--no-fund", cwd=copy, build=tmp_path)
    if done.returncode and re.search("ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT", done.stderr):
        pytest.skip("npm's registry can't be reached")
    assert done.returncode == 0, done.stderr
    return copy


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node")
def test_the_edit_engine_and_its_journal_keep_their_promises(viewer: Path, tmp_path: Path) -> None:
    build = tmp_path / "build"
    made = run("node", "test/build.js", str(build), cwd=viewer, build=build)
    assert made.returncode == 0, made.stdout + made.stderr
    suites = sorted(str(path.relative_to(viewer)) for path in (viewer / "test").glob("*.test.js"))
    done = run("node", "--test", "--test-reporter=tap", *suites, cwd=viewer, build=build)
    assert len(suites) == 4 and done.returncode == 0, done.stdout + done.stderr
