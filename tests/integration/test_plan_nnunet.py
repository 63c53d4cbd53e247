"""A project without any model trains its first version from masks alone."""

from pathlib import Path

import numpy as np

from segloop.imaging.phantom import head_and_neck
from segloop.nnunet import bundle
from segloop.nnunet.plan import PlanningCase, plan
from segloop.nnunet.predict import Predictor
from segloop.nnunet.trainer import LoopTrainer
from segloop.nnunet.workspace import Workspace
from segloop.training.label_sets import LabelSets
from segloop.training.progress import read_progress
from segloop.training.recipe import Recipe
from tests.training_runs import NAMES


def phantom(seed: int) -> PlanningCase:
    volume, mask, geometry = head_and_neck(
        shape=(32, 32, 32), spacing_mm=(8.0, 8.0, 8.0), seed=seed, orientation=("LPS", "RAS")[seed % 2]
    )
    return PlanningCase(f"case{seed}", volume, mask.astype(np.int16), geometry)


def test_fresh_plans_train_from_nothing_and_the_result_is_a_model_to_serve(tmp_path: Path) -> None:
    cases = [phantom(0), phantom(1)]
    plans, dataset, configuration = plan(tmp_path, cases, NAMES, size="small")
    recipe = Recipe(3, 6, 1, learning_rate=3e-3, optimizer="adamw", foreground_share=0.66, threads=1)
    workspace = Workspace(
        tmp_path,
        plans,
        dataset,
        configuration,
        "RAS",
        LabelSets(len(NAMES) + 1),
        recipe,
        tuple(case.case_id for case in cases),
        (),
        (),
    )
    workspace.save()
    for case in cases:
        workspace.add_case(*case)
    trainer = LoopTrainer.open(tmp_path)
    assert trainer.run_training() == "finished"
    losses = [record["train_loss"] for record in read_progress(tmp_path)]
    assert losses[-1] < losses[0]
    info = bundle.import_model(trainer.trained_folder, tmp_path / "bundle")
    assert info.orientation == "RAS" and [label["name"] for label in info.labels] == list(NAMES)
    unseen = phantom(2)
    mask = Predictor.load(tmp_path / "bundle", device="cpu", threads=1).predict(
        unseen.volume, unseen.geometry
    )
    assert mask.shape == unseen.volume.shape and mask.max() <= len(NAMES)
