"""Two processes share one run: the same losses as one, one voice to stop, and none waits for one that is gone."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segloop.errors import InvalidInput
from segloop.nnunet import bundle
from segloop.nnunet.loaders import rank_share
from segloop.nnunet.training_run import run
from segloop.training.progress import read_progress
from segloop.training.recipe import Recipe
from segloop.training.target import ReviewedRegion
from tests.training_runs import make_workspace

SHORT = Recipe(2, 3, 2, learning_rate=1e-2, threads=1)
LONG = Recipe(3, 25, 1, learning_rate=1e-2, threads=1, checkpoint_every_s=0.0)
# One case of which little is known, so that the ranks of most batches have unequal numbers of voxels to learn from.
PARTIAL = {1: ReviewedRegion.from_dict({"axial": [[10, 14]], "labels": [1, 3]})}


@pytest.fixture
def together() -> Iterator[Any]:
    started: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, processes: int = 2) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "segloop.nnunet.training_run", str(folder)]
        process = subprocess.Popen(
            [*command, "--processes", str(processes)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def outcome_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "outcome.json").read_text())
    return found


def ranks_of(process: "subprocess.Popen[bytes]") -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(one) for one in children]


def wait_for_steps(folder: Path, process: "subprocess.Popen[bytes]", steps: int) -> None:
    until = time.monotonic() + 120
    while n_done(folder) < steps:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.05)


def n_done(folder: Path) -> int:
    file = folder / "state.pt"
    if not file.exists():
        return 0
    state = torch.load(file, weights_only=True)
    return int(state["epoch"]) * LONG.iterations_per_epoch + len(state["losses"])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_two_processes_have_the_losses_of_one(tmp_path: Path, together: Any) -> None:
    alone = make_workspace(tmp_path / "one", SHORT, regions=PARTIAL).folder
    shared = make_workspace(tmp_path / "two", SHORT, regions=PARTIAL).folder
    assert run(alone)["outcome"] == "finished"
    assert together(shared).wait(120) == 0
    one, two = read_progress(alone), read_progress(shared)
    assert [record["epoch"] for record in two] == [0, 1]
    for key in ("train_loss", "validation_loss"):
        np.testing.assert_allclose([r[key] for r in two], [r[key] for r in one], atol=1e-5, err_msg=key)
    for first, second in zip(one, two, strict=True):
        assert second["dice"] == pytest.approx(first["dice"], abs=0.001)
    weights = [torch.load(folder / "state.pt", weights_only=True)["network"] for folder in (alone, shared)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-4, rtol=0, msg=name)
    outcome = outcome_of(shared)
    info = bundle.import_model(Path(outcome["trained_folder"]), tmp_path / "bundle")
    assert len(info.labels) == 7 and not list(shared.glob("outcome.*.json"))


def test_when_one_process_is_killed_the_other_ends_and_the_run_goes_on_also_in_one(
    tmp_path: Path, together: Any
) -> None:
    folder = make_workspace(tmp_path, LONG).folder
    process = together(folder)
    wait_for_steps(folder, process, 3)
    ranks = ranks_of(process)
    assert len(ranks) == 2
    os.kill(ranks[1], signal.SIGKILL)
    killed = time.monotonic()
    assert process.wait(30) == 137 and time.monotonic() - killed < 20
    assert not any(is_alive(pid) for pid in ranks)
    assert outcome_of(folder)["code"] == "training_interrupted"
    before = n_done(folder)
    again = together(folder)
    wait_for_steps(folder, again, before + 2)
    os.kill(ranks_of(again)[1], signal.SIGTERM)  # one is asked to stop, and all do
    assert again.wait(30) == 3 and outcome_of(folder) == {"outcome": "stopped"}
    assert n_done(folder) >= before + 2
    assert run(folder)["outcome"] == "finished"
    assert [record["epoch"] for record in read_progress(folder)] == [0, 1, 2]


def test_they_end_with_the_process_that_started_them(tmp_path: Path, together: Any) -> None:
    folder = make_workspace(tmp_path, LONG).folder
    process = together(folder)
    wait_for_steps(folder, process, 1)
    process.terminate()
    assert process.wait(30) == 3 and outcome_of(folder) == {"outcome": "stopped"}
    again = together(folder)
    wait_for_steps(folder, again, n_done(folder) + 1)
    ranks = ranks_of(again)
    again.kill()
    until = time.monotonic() + 20
    while any(is_alive(pid) for pid in ranks):
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("batch", "share", "ranks", "expected"),
    [(2, 0.33, 1, [0.5]), (2, 0.33, 2, [0, 1]), (4, 0.5, 2, [0, 1]), (6, 0.66, 2, [1 / 3, 1])],
)
def test_the_foreground_share_of_a_batch_is_the_same_for_any_number_of_ranks(
    batch: int, share: float, ranks: int, expected: list[float]
) -> None:
    parts = [rank_share(batch, share, rank, ranks) for rank in range(ranks)]
    assert [part[0] for part in parts] == [batch // ranks] * ranks
    assert [part[1] for part in parts] == pytest.approx(expected)


def test_a_batch_that_can_not_be_shared_equally_is_refused_and_says_what_would_do() -> None:
    with pytest.raises(InvalidInput) as refused:
        rank_share(6, 0.33, 0, 4)
    assert refused.value.code == "processes_unequal" and "Train with 3" in refused.value.message
