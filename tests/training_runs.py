"""Small training runs on phantoms: a real nnU-Net that learns in seconds."""

from pathlib import Path
from typing import Any

import numpy as np

from segloop.imaging.labels import Label, LabelSet
from segloop.imaging.phantom import head_and_neck
from segloop.nnunet.bundle import import_model
from segloop.nnunet.tiny import write_tiny_model
from segloop.nnunet.workspace import Workspace
from segloop.training.label_sets import LabelSets, mirror_pairs
from segloop.training.recipe import Recipe
from segloop.training.target import ReviewedRegion, possible_sets, training_target

NAMES = ("brainstem", "spinal_cord", "parotid_right", "parotid_left", "mandible", "larynx", "esophagus")
LABELS = LabelSet(tuple(Label(i, name) for i, name in enumerate(NAMES, 1)))
WHOLE = ReviewedRegion(whole=True)


def small_plans(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Plans and dataset.json of a three-stage net with instance normalisation, as nnU-Net plans them."""
    info = import_model(
        write_tiny_model(folder, label_names=NAMES, spacing_mm=(8.0, 8.0, 8.0)), folder / "bundle"
    )
    configuration = info.plans["configurations"]["3d_fullres"]
    configuration["architecture"]["arch_kwargs"] |= {
        "n_stages": 3,
        "features_per_stage": [6, 12, 24],
        "kernel_sizes": [[3, 3, 3]] * 3,
        "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
        "n_conv_per_stage": [1, 1, 1],
        "n_conv_per_stage_decoder": [1, 1],
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    }
    configuration |= {"patch_size": [24, 24, 24], "batch_dice": True}
    info.plans["foreground_intensity_properties_per_channel"]["0"] |= {
        "std": 200.0,
        "percentile_00_5": -200.0,
        "percentile_99_5": 800.0,
    }
    return info.plans, info.dataset


def make_workspace(
    folder: Path, recipe: Recipe, *, n_cases: int = 2, regions: dict[int, ReviewedRegion] | None = None
) -> Workspace:
    """A workspace with `n_cases` phantoms, the last of them new; `regions` says which are not reviewed as a whole."""
    reviewed = {i: (regions or {}).get(i, WHOLE) for i in range(n_cases)}
    plans, dataset = small_plans(folder / "tiny")
    sets = [some for region in reviewed.values() for some in possible_sets(region, LABELS, NAMES)]
    table = LabelSets(len(NAMES) + 1).extended(sets, mirror_pairs(NAMES))
    cases = tuple(f"case{i}" for i in range(n_cases))
    workspace = Workspace(
        folder / "run", plans, dataset, "3d_fullres", "RAS", table, recipe, cases[-1:], cases[:-1], ()
    )
    workspace.save()
    for i, region in reviewed.items():
        volume, mask, geometry = head_and_neck(
            shape=(36, 32, 34), spacing_mm=(8.0, 8.0, 8.0), seed=i, orientation="LPS"
        )
        target = training_target(mask.astype(np.uint8), geometry, region, LABELS, NAMES, table)
        workspace.add_case(cases[i], volume, target, geometry)
    return workspace
