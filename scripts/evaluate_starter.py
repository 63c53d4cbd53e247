"""Measure the starter model with nnU-Net's own predictor; write its bundle and its card.

    python scripts/evaluate_starter.py --data DATASET --work FOLDER [--final FOLDER] --out models/starter --machine TEXT

DATASET and FOLDER are those of train_starter.py; the patients measured are the unseen ones of FOLDER/split.json. With
train_yardstick.py's model in FOLDER the card shows it beside; with `--final` the weights of that folder are shipped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from numpy.typing import NDArray

from segloop.imaging.phantom import head_and_neck
from segloop.nnunet.bundle import import_model
from segloop.nnunet.card import Scores, TrainingFacts, dice, model_card
from segloop.nnunet.cases import CONFIGURATION
from segloop.nnunet.train import build_network

YARDSTICK = "results/Dataset501_Starter/nnUNetTrainer__nnUNetSmallPlans__3d_fullres"  # train_yardstick.py's
PHANTOM_SEEDS = (1, 2, 3)  # training used 1000 and up
PHANTOM_SPACING_MM = (4.0, 4.0, 3.0)

Loaded = tuple[str, NDArray[np.float32], NDArray[np.uint8], tuple[float, float, float]]


def main() -> None:
    """Predict, score, write scores.json into the work folder, bundle and card where asked."""
    arguments = _arguments()
    torch.set_num_threads(1)
    work: Path = arguments.work
    split = json.loads((work / "split.json").read_text())
    dataset = json.loads((work / "model" / "dataset.json").read_text())
    organs = {name: index for name, index in dataset["labels"].items() if index}
    shipped: Path = (arguments.final or work) / "model"
    unseen = _score(_predictor(work / "model", 0), _patients(arguments.data, split["unseen"]), organs)
    phantoms = _score(_predictor(shipped, 0), _phantoms(), organs)
    scores = {"unseen": unseen, "phantoms": phantoms}
    yardstick = None
    if (work / YARDSTICK / "fold_all" / "checkpoint_final.pth").exists():
        patients = _patients(arguments.data, split["unseen"])
        scores["yardstick"] = yardstick = _score(_predictor(work / YARDSTICK, "all"), patients, organs)
    (work / "scores.json").write_text(json.dumps(scores, indent=1))
    facts = _facts(work, split, dataset, arguments)
    import_model(shipped, arguments.out)
    for file in arguments.out.iterdir():
        file.chmod(0o644)
    (arguments.out / "MODEL_CARD.md").write_text(model_card(facts, unseen, phantoms, yardstick))


def _predictor(folder: Path, fold: int | str) -> Any:
    """nnU-Net's own predictor of a trained model folder, without mirroring."""
    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(folder), (fold,))
    return predictor


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle and its card")
    parser.add_argument("--machine", required=True, help="what it was trained on, for the card")
    parser.add_argument("--final", type=Path, help="train_starter.py's folder of the model of all patients")
    parser.add_argument("--remark", action="append", default=[], help="another line for the card")
    return parser.parse_args()


def _score(predictor: Any, cases: Iterator[Loaded], organs: dict[str, int]) -> Scores:
    """Dice per organ of each case; nnU-Net wants z, y, x and spacing alike."""
    scores = {}
    for name, ct, truth, spacing in cases:
        image = np.ascontiguousarray(ct.transpose(2, 1, 0))[None]
        answer = predictor.predict_single_npy_array(image, {"spacing": list(spacing[::-1])})
        scores[name] = {
            organ: dice(truth, answer.transpose(2, 1, 0), index) for organ, index in organs.items()
        }
        print(name, {organ: round(value, 3) for organ, value in scores[name].items()}, flush=True)
    return scores


def _patients(data: Path, names: list[str]) -> Iterator[Loaded]:
    """Cases of the dataset, which are RAS on disk."""
    for name in names:
        image: Any = nib.load(data / "imagesTr" / f"{name}_0000.nii.gz")
        labels: Any = nib.load(data / "labelsTr" / f"{name}.nii.gz")
        x, y, z = (float(step) for step in image.header.get_zooms())
        yield (
            name,
            np.asarray(image.dataobj, dtype=np.float32),
            np.asarray(labels.dataobj, np.uint8),
            (x, y, z),
        )


def _phantoms() -> Iterator[Loaded]:
    for seed in PHANTOM_SEEDS:
        ct, labels, _ = head_and_neck(spacing_mm=PHANTOM_SPACING_MM, seed=seed)
        yield f"seed {seed}", ct.astype(np.float32), labels, PHANTOM_SPACING_MM


def _facts(
    work: Path, split: dict[str, list[str]], dataset: dict[str, Any], arguments: argparse.Namespace
) -> TrainingFacts:
    state = torch.load(work / "model" / "state.pt", weights_only=True)
    plans = json.loads((work / "model" / "plans.json").read_text())
    configuration = plans["configurations"][CONFIGURATION]
    network = build_network(plans, len(dataset["labels"]), deep_supervision=False)
    return TrainingFacts(
        iterations=state["iteration"],
        hours=state["seconds"] / 3600,
        machine=arguments.machine,
        n_training=len(split["training"]),
        n_phantoms=len(list((work / "cases").glob("phantom_*.npz"))),
        patch=configuration["patch_size"],
        spacing_mm=configuration["spacing"],
        features=configuration["architecture"]["arch_kwargs"]["features_per_stage"],
        parameters=sum(p.numel() for p in network.parameters()),
        n_final=_n_final(arguments.final),
        remarks=arguments.remark,
    )


def _n_final(final: Path | None) -> int:
    return len(json.loads((final / "split.json").read_text())["training"]) if final else 0


if __name__ == "__main__":
    main()
