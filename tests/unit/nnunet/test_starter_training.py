"""The starter's split, plans, patches and card; and that training resumes where it stopped."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segloop.nnunet.card import TrainingFacts, dice, mean_dice, model_card
from segloop.nnunet.cases import small_plans, split_patients
from segloop.nnunet.patches import PatchSource, load_case
from segloop.nnunet.tiny import write_tiny_model
from segloop.nnunet.train import Recipe, Training

PATIENTS = [f"patient_{i}" for i in range(29)]


def test_no_patient_is_both_trained_on_and_unseen() -> None:
    training, unseen = split_patients(PATIENTS, 6)
    assert len(unseen) == 6
    assert sorted(training + unseen) == sorted(PATIENTS)


def test_split_ignores_order_and_repeats_and_keeps_the_unseen_when_patients_join() -> None:
    _, unseen = split_patients(PATIENTS, 6)
    assert split_patients(PATIENTS[::-1] + PATIENTS[:3], 6)[1] == unseen
    assert len(set(split_patients([*PATIENTS, "one more"], 6)[1]) & set(unseen)) >= 5


def test_split_that_leaves_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="unseen"):
        split_patients(["a", "b"], 2)


def test_small_plans_put_the_axes_back_in_order() -> None:
    plans = {
        "transpose_forward": [1, 0, 2],
        "original_median_spacing_after_transp": [4.7, 2.5, 4.6],
        "original_median_shape_after_transp": [66, 128, 115],
        "configurations": {
            "3d_fullres": {
                "spacing": [4.7, 2.5, 4.6],
                "median_image_size_in_voxels": [66, 128, 115],
                "architecture": {"arch_kwargs": {"n_stages": 6}},
            }
        },
    }
    small = small_plans(plans, (64, 48, 64), (16, 32, 64), 2)
    assert small["transpose_forward"] == [0, 1, 2]
    assert small["configurations"]["3d_fullres"]["spacing"] == [2.5, 4.7, 4.6]
    assert small["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]["strides"][0] == [1, 1, 1]


def _case_file(folder: Path) -> Path:
    data = np.zeros((20, 20, 20), np.float16)
    seg = np.zeros((20, 20, 20), np.uint8)
    seg[8:12, 8:12, 2:6], seg[8:12, 8:12, 14:18] = 1, 2  # 1 on the left end of x, 2 on the right end
    data[seg > 0] = 1
    np.savez(folder / "case.npz", data=data, seg=seg)
    return folder / "case.npz"


def test_mirrored_patches_swap_left_and_right_labels(tmp_path: Path) -> None:
    source = PatchSource([load_case(_case_file(tmp_path), 1.0)], (20, 20, 20), (1, 1, 1), {1: 2}, seed=0)
    for _ in range(12):
        _, seg = source.batch(1)
        x = torch.arange(20).float()
        mean_x = [float((seg[0, 0] == k).float().sum((0, 1)) @ x / (seg == k).sum()) for k in (1, 2)]
        assert mean_x[0] < mean_x[1]


def test_training_goes_on_where_it_was_saved_and_writes_an_nnunet_folder(tmp_path: Path) -> None:
    model = torch.load(write_tiny_model(tmp_path / "tiny", labels=2) / "fold_0" / "checkpoint_final.pth")
    init = model["init_args"]
    cases = [load_case(_case_file(tmp_path), 1.0)]

    def training(iterations: int) -> Training:
        recipe = Recipe(iterations=iterations, minutes=5)
        return Training(tmp_path / "run", init["plans"], init["dataset_json"], cases, {1: 2}, recipe)

    training(2).run()
    resumed = training(3)
    assert resumed.iteration == 2
    resumed.run()
    written = torch.load(tmp_path / "run" / "fold_0" / "checkpoint_final.pth", weights_only=True)
    assert written["current_epoch"] == 3
    assert written["trainer_name"] == "nnUNetTrainer"
    assert not list((tmp_path / "run").rglob("*.partial"))


def test_card_tells_the_mean_over_organs_and_where_the_data_is_from() -> None:
    truth, answer = np.array([1, 1, 0, 2], np.uint8), np.array([1, 0, 0, 2], np.uint8)
    assert dice(truth, answer, 1) == pytest.approx(2 / 3)
    assert np.isnan(dice(truth, answer, 3))
    scores = {"a": {"brainstem": 0.5, "larynx": 1.0}, "b": {"brainstem": 0.7, "larynx": float("nan")}}
    assert mean_dice(scores) == pytest.approx(0.8)
    facts = TrainingFacts(10, 0.5, "two cores", 23, 6, (64, 48, 64), (2.5, 4.7, 4.7), (16, 32), 10**6)
    card = model_card(facts, scores, scores)
    for words in (
        "0.800",
        "OpenKBP",
        "terms of derived weights unclear, research only",
        "yardstick: not run",
    ):
        assert words.lower() in card.lower()


def test_card_shows_the_yardstick_beside_and_what_the_shipped_weights_were_trained_on() -> None:
    scores, yardstick = (
        {"a": {"larynx": 0.6}, "b": {"larynx": 0.8}},
        {"a": {"larynx": 0.3}, "b": {"larynx": 0.5}},
    )
    facts = TrainingFacts(10, 0.5, "x", 23, 6, (64, 48, 64), (2.5, 4.7, 4.7), (16, 32), 10**6, n_final=29)
    card = model_card(facts, scores, scores, yardstick)
    assert "| larynx | 0.700 | 0.600 | 0.800 | 0.400 |" in card
    assert "0.400 against 0.700" in card
    assert "all 29 patients" in card
