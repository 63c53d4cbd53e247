"""Train the starter model: head and neck, seven organs, on a CPU; stop and start it as often as you like.

    python scripts/train_starter.py --data DATASET --work FOLDER --minutes 60

DATASET is an nnU-Net raw dataset (imagesTr, labelsTr, dataset.json). FOLDER keeps everything; the same command goes on.
`--unseen 0` in another FOLDER trains the final model, on all patients.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from segloop.imaging.phantom import head_and_neck
from segloop.nnunet.cases import plan, preprocess, small_plans, split_patients
from segloop.nnunet.patches import load_case
from segloop.nnunet.train import Recipe, Training

DATASET_ID = 501
UNSEEN = 6
PATCH, FEATURES, BATCH = (64, 48, 64), (16, 32, 64, 128, 160), 2
MIRROR_PAIRS = {3: 4}  # parotid_right, parotid_left
PHANTOM_SHARE = 0.15
PHANTOM_SPACINGS_MM = ((4.7, 4.7, 3.0), (4.0, 4.0, 3.0), (3.0, 3.0, 3.0))

log = logging.getLogger("train_starter")


def main() -> None:
    """Prepare what is missing, then train until the schedule ends."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    work, data = arguments.work.resolve(), arguments.data.resolve()
    patients = [file.name.removesuffix(".nii.gz") for file in (data / "labelsTr").glob("*.nii.gz")]
    training, unseen = split_patients(patients, arguments.unseen)
    log.info("training on %s; unseen %s", training, unseen)
    dataset = json.loads((data / "dataset.json").read_text())
    dataset = {key: dataset[key] for key in ("name", "channel_names", "labels", "file_ending")}
    dataset |= {"numTraining": len(training), "orientation": "RAS"}
    raw = _link_raw(data, work, training, dataset)
    plans = small_plans(plan(raw, work, DATASET_ID), PATCH, FEATURES, BATCH)
    files = _prepare(raw, work, training, plans, dataset, arguments.phantoms)
    real = [load_case(file, (1 - PHANTOM_SHARE) / len(training)) for file in files[: len(training)]]
    made = [load_case(file, PHANTOM_SHARE / max(1, arguments.phantoms)) for file in files[len(training) :]]
    recipe = Recipe(iterations=arguments.iterations, minutes=arguments.minutes)
    run = Training(work / "model", plans, dataset, real + made, MIRROR_PAIRS, recipe)
    (work / "split.json").write_text(json.dumps({"training": training, "unseen": unseen}, indent=1))
    run.run()
    log.info("finished: %d iterations, %.0f s", run.iteration, run.seconds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="nnU-Net raw dataset folder")
    parser.add_argument("--work", type=Path, required=True, help="folder for everything that is made")
    parser.add_argument("--unseen", type=int, default=UNSEEN, help="patients kept for measuring")
    parser.add_argument("--iterations", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=120, help="end of the schedule if it comes first")
    parser.add_argument("--phantoms", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def _link_raw(data: Path, work: Path, training: list[str], dataset: dict[str, Any]) -> Path:
    """A raw dataset of the training patients alone, so that not even the fingerprint sees the others."""
    raw = work / "raw" / f"Dataset{DATASET_ID}_Starter"
    for sub, suffix in (("imagesTr", "_0000"), ("labelsTr", "")):
        (raw / sub).mkdir(parents=True, exist_ok=True)
        for patient in training:
            link = raw / sub / f"{patient}{suffix}.nii.gz"
            if not link.exists():
                link.symlink_to(data / sub / link.name)
    (raw / "dataset.json").write_text(json.dumps(dataset, indent=1))
    return raw


def _prepare(
    raw: Path,
    work: Path,
    training: list[str],
    plans: dict[str, Any],
    dataset: dict[str, Any],
    n_phantoms: int,
) -> list[Path]:
    """Preprocessed case files, patients first, then phantoms."""
    files = []
    for patient in training:
        files.append(work / "cases" / f"{patient}.npz")
        image = raw / "imagesTr" / f"{patient}_0000.nii.gz"
        preprocess(image, raw / "labelsTr" / f"{patient}.nii.gz", files[-1], plans, dataset)
    for seed in range(n_phantoms):
        files.append(work / "cases" / f"phantom_{seed}.npz")
        if not files[-1].exists():
            image, labels = _write_phantom(work / "phantoms", seed)
            preprocess(image, labels, files[-1], plans, dataset)
    log.info("%d cases ready", len(files))
    return files


def _write_phantom(folder: Path, seed: int) -> tuple[Path, Path]:
    """A phantom as two NIfTI files, 380 mm along the body."""
    folder.mkdir(parents=True, exist_ok=True)
    spacing = PHANTOM_SPACINGS_MM[seed % len(PHANTOM_SPACINGS_MM)]
    shape = tuple(round(mm / step) for mm, step in zip((480.0, 300.0, 380.0), spacing, strict=True))
    ct, labels, geometry = head_and_neck(
        shape=(shape[0], shape[1], shape[2]), spacing_mm=spacing, seed=1000 + seed
    )
    paths = folder / f"phantom_{seed}_0000.nii.gz", folder / f"phantom_{seed}.nii.gz"
    for path, array in zip(paths, (ct, labels), strict=True):
        nib.save(nib.Nifti1Image(np.asarray(array), geometry.affine), path)  # type: ignore[no-untyped-call]
    return paths


if __name__ == "__main__":
    main()
