"""Which patients train and which are kept unseen; planning and preprocessing by nnU-Net's own code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

CONFIGURATION = "3d_fullres"


def split_patients(patients: Sequence[str], n_unseen: int) -> tuple[list[str], list[str]]:
    """Training and unseen patients, each sorted; depends on the names alone, not on order or repeats.

    Patients are ranked by SHA-256 of their name and the first `n_unseen` are kept unseen.

    Raises:
        ValueError: Nobody would be left to train on.
    """
    ranked = sorted(set(patients), key=lambda patient: hashlib.sha256(patient.encode()).hexdigest())
    if not 0 <= n_unseen < len(ranked):
        raise ValueError(f"cannot keep {n_unseen} of {len(ranked)} patients unseen")
    return sorted(ranked[n_unseen:]), sorted(ranked[:n_unseen])


def plan(raw: Path, work: Path, dataset_id: int) -> dict[str, Any]:
    """nnU-Net's fingerprint and plans for the raw dataset folder `raw`; kept in `work` and reused.

    `raw` must lie in `work`/raw and be named DatasetXXX_NAME with `dataset_id`.
    """
    file = work / "preprocessed" / raw.name / "nnUNetPlans.json"
    if not file.exists():
        for name in ("raw", "preprocessed", "results"):
            (work / name).mkdir(parents=True, exist_ok=True)
            os.environ[f"nnUNet_{name}"] = str(work / name)  # nnU-Net takes its folders from nowhere else
        from nnunetv2.experiment_planning.plan_and_preprocess_api import (
            extract_fingerprint_dataset,
            plan_experiment_dataset,
        )

        extract_fingerprint_dataset(dataset_id, num_processes=1, verbose=False)
        plan_experiment_dataset(dataset_id)
    plans: dict[str, Any] = json.loads(file.read_text())
    return plans


def small_plans(
    plans: dict[str, Any],
    patch: tuple[int, int, int],
    features: Sequence[int],
    batch_size: int,
) -> dict[str, Any]:
    """`plans` with one configuration, cut down to a net and patch (z, y, x) that a CPU can train.

    nnU-Net's planner may put the coarsest axis first; here the axes stay z, y, x.
    """
    full = plans["configurations"][CONFIGURATION]
    natural = [plans["transpose_forward"].index(axis) for axis in range(3)]
    stages = len(features)
    arch = full["architecture"]["arch_kwargs"] | {
        "n_stages": stages,
        "features_per_stage": list(features),
        "kernel_sizes": [[3, 3, 3]] * stages,
        "strides": [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1),
        "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [2] * (stages - 1),
    }
    small = full | {
        "patch_size": list(patch),
        "batch_size": batch_size,
        "batch_dice": True,
    }
    for key in ("spacing", "median_image_size_in_voxels"):
        small[key] = [full[key][axis] for axis in natural]
    small["architecture"] = full["architecture"] | {"arch_kwargs": arch}
    changed: dict[str, Any] = {
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
    }
    for key in (
        "original_median_spacing_after_transp",
        "original_median_shape_after_transp",
    ):
        changed[key] = [plans[key][axis] for axis in natural]
    return plans | changed | {"configurations": {CONFIGURATION: small}}


def preprocess(image: Path, labels: Path, out: Path, plans: dict[str, Any], dataset: dict[str, Any]) -> None:
    """Resample and normalise one case with nnU-Net's preprocessor into `out` (.npz: data, seg in z, y, x).

    Written to a temporary name and renamed, so a file that is there is complete; then it is not made again.
    """
    if out.exists():
        return
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager = PlansManager(plans)
    configuration = manager.get_configuration(CONFIGURATION)
    data, seg, _ = configuration.preprocessor_class(verbose=False).run_case(
        [str(image)], str(labels), manager, configuration, dataset
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial.npz")
    np.savez(
        partial,
        data=data[0].astype(np.float16),
        seg=np.maximum(seg[0], 0).astype(np.uint8),
    )
    partial.replace(out)
