"""What the Dockerfiles say, and the nearest thing to an image that can be made without an engine."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from scripts.select_requirements import select
from tests.conftest import ROOT

DOCKERFILES = {
    "api": "services/api/Dockerfile",
    "worker_gpu": "services/worker_gpu/Dockerfile",
    "trainer": "services/trainer/Dockerfile",
    "dicom_gateway": "services/dicom_gateway/Dockerfile",
    "ui": "ui/Dockerfile",
}
FLAGS = ("--extra", "--package")


@dataclass(frozen=True)
class Instruction:
    """One line of a Dockerfile; `stage` counts its FROMs from 0."""

    stage: int
    name: str
    value: str


def instructions(image: str) -> list[Instruction]:
    """Return the instructions of one Dockerfile, without comments."""
    stage, found = -1, []
    for line in (ROOT / DOCKERFILES[image]).read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition(" ")
            stage += name == "FROM"
            found.append(Instruction(stage, name, value))
    return found


def values(image: str, name: str, *, stage: int | None = None) -> list[str]:
    """Return the values of all instructions of one name."""
    return [i.value for i in instructions(image) if i.name == name and stage in (None, i.stage)]


def install_set(image: str) -> tuple[set[str], set[str]]:
    """Return the packages an image takes from the lock, and those it installs apart."""
    locked: set[str] = set()
    separate: set[str] = set()
    for run in values(image, "RUN"):
        if "select_requirements" in run:
            words = shlex.split(run.partition(">")[0])
            chosen = {flag: [words[i + 1] for i, word in enumerate(words) if word == flag] for flag in FLAGS}
            blocks, apart = select(chosen["--extra"], chosen["--package"])
            locked |= set(blocks)
            separate |= apart
    return locked, separate


def copied(image: str) -> list[tuple[list[str], str]]:
    """Return what is copied from the repository into the last stage: sources and the target."""
    lines = [shlex.split(value) for value in values(image, "COPY", stage=1) if "--from" not in value]
    return [(words[:-1], words[-1]) for words in lines]


def command(image: str) -> list[str]:
    """Return the image's own command."""
    words: list[str] = json.loads(values(image, "CMD")[-1])
    return words


@dataclass(frozen=True)
class DryImage:
    """A folder with the files, and an environment with the packages, that an image would have: no more of either."""

    app: Path
    python: Path

    def environment(self, settings: dict[str, str]) -> dict[str, str]:
        """Return what a process in it sees."""
        paths = f"{self.app / 'src'}:{self.app}"
        return {"PATH": os.environ["PATH"], "PYTHONPATH": paths, "HOME": str(self.app.parent), **settings}

    def argv(self, words: list[str]) -> list[str]:
        """Return a command with this environment's Python."""
        assert words[0] == "python"
        return [str(self.python), *words[1:]]


def dry_image(image: str, folder: Path) -> DryImage:
    """Make one from the Dockerfile: links to the installed packages of its set, and copies of its files."""
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv/bin/python"
    packages = folder / f"venv/lib/python3.{sys.version_info.minor}/site-packages"
    locked, apart = install_set(image)
    for name in locked | with_requirements(apart):
        _link(distribution(name), packages)
    for sources, target in copied(image):
        for source in sources:
            _copy(ROOT / source, folder / "app" / target, into=target.endswith("/"))
    if image == "ui":
        _copy(ROOT / "ui/viewer/segloop_viewer", folder / "viewer/segloop_viewer", into=False)
        _copy(ROOT / "ui/viewer/pyproject.toml", folder / "viewer/", into=True)
        uv = [
            str(Path(sys.executable).with_name("uv")),
            "pip",
            "install",
            "--quiet",
            "--offline",
            "--no-deps",
        ]
        uv += ["--no-build-isolation", "--no-cache", "--python", str(python), str(folder / "viewer")]
        subprocess.run(uv, check=True)
    return DryImage(folder / "app", python)


def with_requirements(names: set[str]) -> set[str]:
    """Return the packages and, as pip would find them, all that they require on this machine."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            wanted = [Requirement(text) for text in distribution(name).requires or []]
            waiting += [w.name for w in wanted if w.marker is None or w.marker.evaluate({"extra": ""})]
    return found


def _link(installed: Distribution, packages: Path) -> None:
    for file in installed.files or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(Path(str(installed.locate_file(file))))


def _copy(source: Path, target: Path, *, into: bool) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "node_modules", "*.egg-info")
    if source.is_dir():
        shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
        return
    target = target / source.name if into or target.is_dir() else target
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
