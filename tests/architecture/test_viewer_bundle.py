"""The viewer's committed bundle is what its source builds, offline-proof and without eval."""

import json
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from tests.conftest import ROOT

VIEWER = ROOT / "ui/viewer"
DIST = VIEWER / "segloop_viewer/dist"


def test_the_bundle_was_built_from_the_sources_that_are_here() -> None:
    built_from = json.loads((DIST / "sources.json").read_text())
    now = {name: sha256((VIEWER / name).read_bytes()).hexdigest() for name in built_from}
    assert now == built_from, "run `npm ci && npm run build` in ui/viewer"
    assert {"src/index.ts", "src/uploader.ts", "src/niivue/adapter.ts", "package-lock.json"} <= set(
        built_from
    )


def test_the_bundle_runs_without_eval_and_names_no_host_to_load_from() -> None:
    for path in DIST.glob("*.js"):
        code = path.read_text()
        assert not re.search(r"\beval\s*\(|new Function\b", code), path.name
        assert not re.search(r"(import|importScripts|fetch)\s*\(\s*[\"'`]https?:", code), path.name


def test_niivue_is_pinned_and_known_in_one_folder() -> None:
    assert json.loads((VIEWER / "package.json").read_text())["devDependencies"]["@niivue/niivue"] == "0.69.0"
    users = {path for path in (VIEWER / "src").rglob("*.ts") if "@niivue/niivue" in path.read_text()}
    assert {path.parent.name for path in users} == {"niivue"}


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node")
def test_building_again_gives_the_same_bytes(tmp_path: Path) -> None:
    source = shutil.copytree(
        VIEWER,
        tmp_path / "viewer",
        ignore=shutil.ignore_patterns("node_modules", "segloop_viewer", "*.egg-info"),
    )
    for command in (["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "build"]):
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=300, check=False)
        if command[1] == "ci" and re.search("ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT", done.stderr):
            pytest.skip("npm's registry can't be reached")
        assert done.returncode == 0, done.stdout + done.stderr
    again = {path.name: path.read_bytes() for path in (source / "segloop_viewer/dist").iterdir()}
    assert again == {path.name: path.read_bytes() for path in DIST.iterdir()}
