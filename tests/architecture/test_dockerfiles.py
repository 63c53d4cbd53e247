"""Dockerfiles keep to the lock and to the code, as far as that can be seen without building an image."""

import fnmatch
import importlib.util
import re
import shlex
import subprocess
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from segloop.broker import QueueName
from tests.architecture import compose, images
from tests.conftest import ROOT

IMAGES = sorted(images.DOCKERFILES)
every_image = pytest.mark.parametrize("image", IMAGES)
MODULES = {
    "api": "services.api.main, services.api.relay, services.storage_keys, alembic, flower.command",
    "worker_gpu": "services.worker_gpu.app, segloop.nnunet.predict, segloop.stack.models",
    "trainer": "services.trainer.app, segloop.nnunet.train",
    "dicom_gateway": "services.dicom_gateway.__main__",
    "ui": "ui.proxy, ui.views.jobs, ui.views.people.page",
}


@every_image
def test_the_base_is_pinned_to_the_python_that_the_project_needs(image: str) -> None:
    bases = [value.split()[0] for value in images.values(image, "FROM")]
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", base) for base in bases)


@every_image
def test_it_runs_as_an_unprivileged_user(image: str) -> None:
    assert images.values(image, "USER") == ["segloop"]
    assert any("useradd --uid 1000" in run for run in images.values(image, "RUN", stage=1))


@every_image
def test_every_package_is_checked_against_its_hash(image: str) -> None:
    for run in images.values(image, "RUN"):
        if "pip install" in run:
            apart = "torch==" in run or run.endswith(" ./viewer")
            assert apart or ("--require-hashes" in run and "--no-deps" in run)


@pytest.mark.parametrize("image", ["worker_gpu", "trainer"])
def test_torch_comes_first_and_in_the_version_of_the_front_door(image: str) -> None:
    installs = [run for run in images.values(image, "RUN") if "pip install" in run]
    (version,) = re.findall(r"^TORCH=(\S+)$", (ROOT / "segloop").read_text(), re.MULTILINE)
    assert installs[0].endswith(f" {version}")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert version in extras["gpu"]


@every_image
def test_its_part_of_the_lock_is_complete_and_in_the_versions_installed_here(image: str) -> None:
    locked, apart = images.install_set(image)
    lock = (ROOT / "requirements.lock").read_text()
    for name in locked:
        installed = distribution(name)
        assert re.search(rf"(?mi)^{name.replace('-', '[-_.]')}=={re.escape(installed.version)} ", lock), name
        for text in installed.requires or []:
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                # Left out on purpose (docs/decisions/0002).
                known = locked | images.with_requirements(apart) | {"torchvision", "openvino-telemetry"}
                assert canonicalize_name(wanted.name) in known, f"{name} needs {wanted.name}"


@every_image
def test_everything_copied_is_there_and_let_through(image: str) -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    for value in images.values(image, "COPY"):
        if "--from" not in value:
            for source in shlex.split(value)[:-1]:
                assert (ROOT / source).exists(), source
                assert any(source == rule or source.startswith(f"{rule}/") for rule in allowed), source


def test_no_data_secrets_or_environment_reach_an_image() -> None:
    rules = [rule for rule in (ROOT / ".dockerignore").read_text().splitlines() if rule and rule[0] != "#"]
    assert rules[0] == "*"
    let_through = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    for name in (".env", ".venv", ".git", "data", "tests"):
        assert not any(fnmatch.fnmatch(name, rule) for rule in let_through)


@pytest.mark.parametrize("queue", list(QueueName))
def test_each_queue_has_one_process_that_consumes_it(queue: QueueName) -> None:
    consumers = []
    for name, service in compose.load(compose.secrets())["services"].items():
        image = service["image"].partition("/")[2].partition(":")[0]
        words = service.get("command") or (images.command(image) if image in IMAGES else [])
        if "-Q" in words and words[words.index("-Q") + 1] == queue.value:
            consumers.append(words[words.index("-A") + 1])
            assert words[words.index("-n") + 1] == f"{queue.value}@%h"
            assert service["healthcheck"]["test"][-1] == queue.value, name
    assert len(consumers) == 1
    assert importlib.util.find_spec(consumers[0]) is not None


@every_image
def test_torch_and_the_pages_are_only_where_they_are_needed(image: str) -> None:
    locked, apart = images.install_set(image)
    assert (apart == {"torch"}) == (image in ("worker_gpu", "trainer"))
    assert ("nnunetv2" in locked) == (image in ("worker_gpu", "trainer"))
    assert ("streamlit" in locked) == (image == "ui")


@every_image
def test_what_it_starts_imports_with_its_own_packages_and_files_only(image: str, tmp_path: Path) -> None:
    dry = images.dry_image(image, tmp_path)
    settings = {"SEGLOOP_TOKEN": "x", "SEGLOOP_REDIS_URL": "redis://127.0.0.1:1"}
    done = subprocess.run(
        [dry.python, "-c", f"import {MODULES[image]}"],
        check=False,
        capture_output=True,
        text=True,
        env=dry.environment(settings),
        cwd=dry.app,
    )
    assert done.returncode == 0, done.stderr


def test_streamlit_finds_the_viewer_that_the_image_installs(tmp_path: Path) -> None:
    dry = images.dry_image("ui", tmp_path)
    code = (
        "from streamlit.components.v2 import manifest_scanner as m;"
        "print([found.name for found, _ in m.scan_component_manifests()])"
    )
    done = subprocess.run(
        [dry.python, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=dry.environment({}),
        cwd=dry.app,
    )
    assert "segloop_viewer" in done.stdout
    assert list((tmp_path / "venv").glob("lib/*/site-packages/segloop_viewer/dist/viewer.js"))
