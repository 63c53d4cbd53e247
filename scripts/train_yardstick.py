"""Train the yardstick of the starter model: nnU-Net's own trainer on the same patients, plans and iterations.

    python scripts/train_yardstick.py --work FOLDER --iterations 2004

FOLDER is that of train_starter.py, which must have run. The same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
from pathlib import Path

import torch

DATASET = "Dataset501_Starter"
PLANS = "nnUNetSmallPlans"
ITERATIONS_PER_EPOCH = 250  # nnUNetTrainer's own


def main() -> None:
    """Preprocess with nnU-Net, then train `nnUNetTrainer` on all training patients (fold "all")."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of train_starter.py")
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    _set_folders(work)
    torch.set_num_threads(arguments.threads)
    plans = json.loads((work / "model" / "plans.json").read_text()) | {"plans_name": PLANS}
    (work / "preprocessed" / DATASET / f"{PLANS}.json").write_text(json.dumps(plans, indent=1))
    _preprocess(work)
    _train(work, plans, math.ceil(arguments.iterations / ITERATIONS_PER_EPOCH))


def _set_folders(work: Path) -> None:
    """nnU-Net takes its folders and its number of loader processes from the environment alone."""
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(work / name)
    os.environ["nnUNet_n_proc_DA"] = "0"  # noqa: SIM112 nnU-Net spells it so


def _preprocess(work: Path) -> None:
    from nnunetv2.experiment_planning.plan_and_preprocess_api import preprocess_dataset

    done = work / "preprocessed" / DATASET / f"{PLANS}.done"
    if not done.exists():
        dataset_id = int(DATASET[7:10])
        preprocess_dataset(dataset_id, PLANS, ("3d_fullres",), (1,))
        done.touch()


def _train(work: Path, plans: dict[str, object], n_epochs: int) -> None:
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    raw, preprocessed = work / "raw" / DATASET, work / "preprocessed" / DATASET
    shutil.copy(raw / "dataset.json", preprocessed / "dataset.json")
    dataset = json.loads((raw / "dataset.json").read_text())
    fold = work / "results" / DATASET / f"nnUNetTrainer__{PLANS}__3d_fullres" / "fold_all"
    latest = fold / "checkpoint_latest.pth"
    plans = plans | {"continue_training": latest.exists()}  # the trainer reads this from the plans
    trainer = nnUNetTrainer(plans, "3d_fullres", "all", dataset, device=torch.device("cpu"))
    trainer.num_epochs = n_epochs
    trainer.save_every = 1
    if latest.exists():
        trainer.load_checkpoint(str(latest))
    trainer.run_training()


if __name__ == "__main__":
    main()
