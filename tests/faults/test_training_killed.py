"""The trainer dies in mid-epoch: the run goes on from its last checkpoint, once, with every case."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from segloop.database import open_engine
from segloop.settings import Settings
from services.api.main import create_app
from tests.conftest import ROOT
from tests.learning import new_project, put_into_production, small_bundle, train, upload_case

TRAINER = ["celery", "-A", "services.trainer.app", "worker", "-Q", "training", "--pool=threads", "-n", "t@%h"]
RECIPE = {"n_epochs": 4, "iterations_per_epoch": 25, "validation_iterations": 2, "checkpoint_every_s": 0.0}


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[[list[str]], "subprocess.Popen[bytes]"]]:
    """Starts a service of ours as a process; whatever still runs is killed at the end."""
    running: list[subprocess.Popen[bytes]] = []

    def start(module: list[str]) -> "subprocess.Popen[bytes]":
        own = environment | {"OMP_NUM_THREADS": "1", "SEGLOOP_RESEND_AFTER_S": "2"}
        command = [sys.executable, "-m", *module]
        running.append(subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stderr=subprocess.DEVNULL))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


@pytest.fixture
def project(http: TestClient, settings: Settings, tmp_path: Path) -> str:
    """A project with a small network in production and six phantoms with their truth."""
    slug = new_project(http, f"p{time.monotonic_ns()}")
    engine = open_engine(settings.database_url)
    put_into_production(engine, settings, small_bundle(tmp_path / "made"), project=slug)
    engine.dispose()
    for seed in range(6):
        upload_case(http, seed, project=slug)
    return slug


def run_of(http: TestClient, project: str) -> dict[str, Any]:
    items = http.get(f"/v1/projects/{project}/training-runs").json()["items"]
    return dict(http.get(f"/v1/training-runs/{items[0]['id']}").json())


def wait_for(condition: Callable[[], bool], what: str, limit_s: float = 180) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def children(pid: int) -> list[int]:
    """Return the training processes of a worker."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(pid)], check=False, capture_output=True, text=True
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "training_run" in line]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_trainer_killed_twice_in_mid_epoch_finishes_its_run_once_and_loses_no_case(
    http: TestClient, project: str, start: Callable[[list[str]], "subprocess.Popen[bytes]"]
) -> None:
    start(["services.api.relay"])
    assert train(http, project=project, **RECIPE).status_code == 202
    for kill in (1, 2):
        trainer = start(TRAINER)
        # In the middle of an epoch, and far enough for a checkpoint of this attempt to be kept.
        wait_for(lambda n=kill: run_of(http, project)["attempt"] == n, "taken up")  # type: ignore[misc]
        before = run_of(http, project)["checkpoint_at"]
        wait_for(lambda b=before: run_of(http, project)["checkpoint_at"] != b, "a checkpoint")  # type: ignore[misc]
        orphans = children(trainer.pid)
        trainer.send_signal(signal.SIGKILL)
        trainer.wait()
        assert len(orphans) == 1
        wait_for(lambda o=orphans: not is_alive(o[0]), "the orphan to end", 30)  # type: ignore[misc]
        again = train(http, project=project)
        assert (again.status_code, again.json()["code"]) == (409, "training_active")
    start(TRAINER)
    wait_for(lambda: run_of(http, project)["state"] not in ("queued", "running"), "the end")
    run = run_of(http, project)
    assert (run["state"], run["attempt"]) == ("succeeded", 3), run["error_message"]
    assert [record["epoch"] for record in run["epochs"]] == [0, 1, 2, 3]
    assert run["log"].count("goes on where it was") == 2
    assert len(run["cases"]) == 6
    versions = http.get(f"/v1/projects/{project}/model-versions").json()["items"]
    assert [version["stage"] for version in versions] == ["candidate", "production"]
    compared = f"/v1/model-versions/{run['version_id']}/comparisons"
    wait_for(lambda: bool(http.get(compared).json()["items"]), "the comparison")


def test_a_cancelled_run_stops_within_seconds_and_leaves_production_alone(
    http: TestClient,
    project: str,
    start: Callable[[list[str]], "subprocess.Popen[bytes]"],
    settings: Settings,
) -> None:
    start(["services.api.relay"])
    trainer = start(TRAINER)
    job = train(http, project=project, **{**RECIPE, "n_epochs": 1000}).json()
    wait_for(lambda: run_of(http, project)["iteration"] is not None, "the training")
    (child,) = children(trainer.pid)
    asked = time.monotonic()
    http.post(f"/v1/jobs/{job['id']}/cancel")
    wait_for(lambda: run_of(http, project)["state"] == "cancelled", "the cancel", 30)
    assert time.monotonic() - asked < 15 and not is_alive(child)
    assert not list((settings.scratch / "training").glob("*/attempt-*"))
    assert [v["stage"] for v in http.get(f"/v1/projects/{project}/model-versions").json()["items"]] == [
        "production"
    ]
    assert http.get(f"/v1/projects/{project}/training-state").json()["active_run_id"] is None
