"""A real nnU-Net learns from phantoms: partial labels join, a kill loses nothing, and the result is a model to serve."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from segloop.errors import InvalidInput
from segloop.imaging.phantom import head_and_neck
from segloop.nnunet import bundle
from segloop.nnunet.calibrate import calibration_errors
from segloop.nnunet.predict import Predictor
from segloop.nnunet.trainer import LoopTrainer
from segloop.nnunet.training_run import run
from segloop.nnunet.workspace import Workspace
from segloop.training.gate import decide
from segloop.training.progress import read_progress
from segloop.training.protocol import Evaluation, Margin, Protocol
from segloop.training.recipe import Recipe
from segloop.training.scores import Reference, evaluate, score_case, with_calibration
from segloop.training.target import ReviewedRegion
from tests.devices import DEVICES
from tests.training_runs import LABELS, NAMES, make_workspace

SHORT = Recipe(n_epochs=2, iterations_per_epoch=3, validation_iterations=2, learning_rate=1e-2, threads=1)
PARTIAL = {
    0: ReviewedRegion.from_dict({"whole": True, "labels": [1, 3]}),  # one side's parotid only
    1: ReviewedRegion.from_dict({"axial": [[10, 20]], "labels": None}),
}


def stop_after(calls: int) -> Callable[[], bool]:
    left = [calls]

    def stop() -> bool:
        left[0] -= 1
        return left[0] < 0

    return stop


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "state.pt", weights_only=True)["network"]
    return state


@pytest.fixture(scope="module", params=DEVICES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoopTrainer:
    """A run with two partial cases and a dense one, long enough to learn bone."""
    recipe = Recipe(4, 100, 4, learning_rate=5e-3, optimizer="adamw", foreground_share=0.66, threads=1)
    workspace = make_workspace(tmp_path_factory.mktemp("trained"), recipe, n_cases=3, regions=PARTIAL)
    trainer = LoopTrainer.open(workspace.folder, request.param)
    assert trainer.run_training() == "finished"
    bundle.import_model(trainer.trained_folder, workspace.folder / "bundle")
    return trainer


def phantom(seed: int) -> tuple[Reference, NDArray[np.int16]]:
    volume, truth, grid = head_and_neck(shape=(36, 32, 34), spacing_mm=(8.0, 8.0, 8.0), seed=seed)
    return Reference(f"case{seed}", f"patient{seed}", truth, grid, LABELS), volume


def test_the_loss_falls_with_partial_cases_beside_a_dense_one_and_the_result_can_be_served(
    trained: LoopTrainer,
) -> None:
    folder = trained.workspace.folder
    assert len(trained.workspace.table.sets) == 2  # what is open on one side, and on the other when mirrored
    records = read_progress(folder)
    assert [record["epoch"] for record in records] == [0, 1, 2, 3]
    assert records[-1]["train_loss"] < records[0]["train_loss"] - 0.3
    assert list(records[-1]["dice"]) == list(NAMES)
    assert json.loads((folder / "heartbeat.json").read_text())["n_iterations"] == 400
    info = bundle.read_bundle(folder / "bundle")
    assert [label["name"] for label in info.labels] == list(NAMES) and info.mirroring_axes == []
    reference, volume = phantom(2)
    mask = Predictor.load(folder / "bundle", device="cpu", threads=1).predict(volume, reference.geometry)
    dice = score_case(reference, mask, LABELS).labels["mandible"].dice  # bone is learned first
    assert dice is not None and dice > 0.3
    assert "torchvision" not in sys.modules


def test_the_gate_knows_a_model_with_noise_on_its_weights_from_one_without(
    trained: LoopTrainer, tmp_path: Path
) -> None:
    cases, corrected = [phantom(seed) for seed in range(10, 40)], [phantom(seed) for seed in range(40, 46)]

    def evaluation(noise: float) -> Evaluation:
        folder = shutil.copytree(trained.workspace.folder / "bundle", tmp_path / str(noise))
        torch.manual_seed(0)
        file = folder / "fold_0.safetensors"
        weights = {
            name: t + noise * t.std(correction=0) * torch.randn_like(t) for name, t in load_file(file).items()
        }
        save_file(weights, file)
        predictor = Predictor.load(folder, device="cpu", threads=1)
        ticks = iter(range(1000))
        some, few = (
            evaluate(part, predictor.predict, LABELS, clock=lambda: float(next(ticks)))
            for part in (cases, corrected)
        )
        errors = calibration_errors(predictor, cases[:6])
        return Evaluation(tuple(with_calibration(case, errors.get(case.case_id, {})) for case in some), few)

    good, same, bad = evaluation(0.0), evaluation(1e-4), evaluation(2.0)
    protocol = Protocol(("mandible",), default_margin=Margin(0.03, 0.03))
    rejected = decide(good, bad, protocol)
    assert rejected.outcome == "reject", rejected.reasons
    promoted = decide(bad, good, replace(protocol, calibration_margin=1.0))
    assert promoted.outcome == "promote", promoted.reasons
    equal = decide(good, same, protocol).findings
    assert {f.standing for f in equal if f.check in ("non_inferior", "no_catastrophe")} == {"passed"}
    for one in (good, same, bad):
        five = Evaluation(one.frozen[:5], one.corrected[:5])
        production = Evaluation(good.frozen[:5], good.corrected[:5])
        assert decide(production, five, protocol).outcome == "not_enough_cases"


def test_each_epoch_is_told_to_whoever_asked(tmp_path: Path) -> None:
    seen: list[int] = []
    folder = make_workspace(tmp_path, SHORT).folder
    LoopTrainer.open(folder, on_epoch=lambda record: seen.append(record["epoch"])).run_training()
    assert seen == [0, 1]


def test_a_stopped_run_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    straight = make_workspace(tmp_path / "a", SHORT).folder
    broken = make_workspace(tmp_path / "b", SHORT).folder
    assert LoopTrainer.open(straight).run_training() == "finished"
    # Stopped in the first epoch, in its validation and in the second epoch: 3 + 2 questions make an epoch.
    for calls in (2, 2, 3):
        assert LoopTrainer.open(broken, stop=stop_after(calls)).run_training() == "stopped"
    assert LoopTrainer.open(broken).run_training() == "finished"
    first, again = (
        [{k: v for k, v in record.items() if k != "seconds"} for record in read_progress(folder)]
        for folder in (straight, broken)
    )
    assert first == again and len(first) == 2
    for name, value in weights_of(straight).items():
        assert torch.equal(value, weights_of(broken)[name]), name


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    losses = []
    for seed in (0, 1):
        folder = make_workspace(tmp_path / str(seed), Recipe(1, 2, 1, seed=seed, threads=1)).folder
        LoopTrainer.open(folder).run_training()
        losses.append(read_progress(folder)[0]["train_loss"])
    assert losses[0] != losses[1]


def test_a_run_starts_from_every_weight_of_a_version_its_head_included(tmp_path: Path) -> None:
    first = make_workspace(tmp_path / "a", SHORT).folder
    trainer = LoopTrainer.open(first)
    trainer.run_training()
    second = make_workspace(tmp_path / "b", Recipe(1, 1, 1, threads=1, seed=5)).folder
    bundle.import_model(trainer.trained_folder, second / "start")
    tuned = LoopTrainer.open(second)
    tuned.on_train_start()
    state = tuned._bare_network().state_dict()
    assert any("seg_layers" in name for name in state)
    for name, value in weights_of(first).items():
        assert torch.equal(value, state[name]), name


def test_a_start_with_other_labels_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path, SHORT).folder
    (tmp_path / "tiny" / "bundle").rename(folder / "start")  # two stages, not three
    outcome = run(folder)
    assert (outcome["outcome"], outcome["code"]) == ("failed", "weights_do_not_fit")
    assert "full retrain" in json.loads((folder / "outcome.json").read_text())["message"]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None], ids=["empty", "other", "cut"])
def test_a_broken_checkpoint_is_a_stable_code_and_runs_nothing(tmp_path: Path, content: bytes | None) -> None:
    folder = make_workspace(tmp_path, SHORT).folder
    LoopTrainer.open(folder, stop=stop_after(1)).run_training()
    whole = (folder / "state.pt").read_bytes()
    (folder / "state.pt").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(InvalidInput) as refused:
        LoopTrainer.open(folder).run_training()
    assert refused.value.code == "checkpoint_broken"


def test_a_loss_that_is_no_number_ends_the_run_with_a_code(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, Recipe(1, 40, 1, learning_rate=1.0, threads=1))
    trainer = LoopTrainer.open(workspace.folder)
    trainer.on_train_start()
    with torch.no_grad():
        next(iter(trainer.network.parameters())).fill_(float("nan"))
    with pytest.raises(InvalidInput) as refused:
        trainer._epoch()
    assert refused.value.code == "training_diverged"


def test_a_validation_loss_that_is_no_number_ends_the_run_with_the_same_code(tmp_path: Path) -> None:
    """The last step of an epoch may break the weights after its own loss was a number."""
    trainer = LoopTrainer.open(make_workspace(tmp_path, SHORT).folder)
    trainer.on_train_start()
    with torch.no_grad():
        next(iter(trainer.network.parameters())).fill_(float("nan"))
    with pytest.raises(InvalidInput) as refused:
        trainer._validate()
    assert refused.value.code == "training_diverged"


def test_the_trainer_loads_where_torchvision_can_not_be_imported() -> None:
    """nnU-Net's search for trainers by name would import every one of them, and with them torchvision."""
    code = (
        "import sys; sys.modules['torchvision'] = None\n"
        "import segloop.nnunet.training_run\n"
        "assert not [m for m in sys.modules if m.startswith('nnunetv2.training.nnUNetTrainer.variants')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_run_killed_twice_in_mid_epoch_finishes_with_every_epoch_once(tmp_path: Path) -> None:
    recipe = Recipe(3, 25, 2, learning_rate=1e-2, threads=1, checkpoint_every_s=0.0)
    folder = make_workspace(tmp_path, recipe).folder
    command = [sys.executable, "-m", "segloop.nnunet.training_run", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for iterations in (3, 30):
        process = subprocess.Popen(command, env=environment)
        wait_for(lambda n=iterations: n_done(folder) >= n, process)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    before = n_done(folder)
    assert 30 <= before < 75
    assert run(folder)["outcome"] == "finished"
    records = read_progress(folder)
    assert [record["epoch"] for record in records] == [0, 1, 2]
    assert json.loads((folder / "outcome.json").read_text())["outcome"] == "finished"
    assert Workspace.load(folder).new == ("case1",)


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 120
    while not condition():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)


def n_done(folder: Path) -> int:
    """Iterations in the last checkpoint."""
    file = folder / "state.pt"
    if not file.exists():
        return 0
    state = torch.load(file, weights_only=True)
    return int(state["epoch"]) * 25 + len(state["losses"])


def test_a_run_hears_sigterm_within_seconds_and_can_go_on(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path, Recipe(50, 100, 1, threads=1)).folder
    process = subprocess.Popen(
        [sys.executable, "-m", "segloop.nnunet.training_run", str(folder)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    wait_for((folder / "heartbeat.json").exists, process)
    asked = time.monotonic()
    process.terminate()
    assert process.wait(timeout=30) == 3
    assert time.monotonic() - asked < 10
    assert (folder / "state.pt").exists()
