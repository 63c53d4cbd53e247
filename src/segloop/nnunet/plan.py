"""Plans made afresh by nnU-Net's own planner, for a full retraining and for a project that has no model yet."""

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging.geometry import Geometry, reorient
from segloop.nnunet.plans import require_safe_plans
from segloop.nnunet.verify import read_labels, require_sound_plans

Size = Literal["small", "full"]

NAME = "Dataset001_Segloop"
SAMPLES = 50_000
"""Labelled voxels drawn of each case for the intensity statistics. nnU-Net draws 1e8 over all cases, which is 400 MB."""
FULL_GB = 8.0
SMALL_GB = 0.2
"""nnU-Net's measure of a network's size at which the small one gets patches of about 48^3 voxels."""


class PlanningCase(NamedTuple):
    """A case to plan with: HU and codes (`segloop.training.target`) on one grid (x, y, z) of any orientation."""

    case_id: str
    volume: NDArray[Any]
    target: NDArray[np.int16]
    geometry: Geometry


def plan(
    folder: Path,
    cases: Iterable[PlanningCase],
    labels: Sequence[str],
    *,
    size: Size,
    orientation: str = "RAS",
    memory_gb: float | None = None,
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return plans, dataset.json and configuration for a `Workspace` whose network starts from nothing.

    Cases are read one at a time and not kept. What nobody vouched for adds nothing to the intensity statistics.

    Args:
        folder: Receives `planning/`, which is replaced.
        cases: The training cases, and no others: a test case must not shape the plans.
        labels: Names of the classes in the order of the codes, without the background.
        size: "full" is nnU-Net's own plan for a GPU. "small" trains on a CPU in minutes to hours: the axes stay (z, y, x),
            patches have about 48^3 voxels, the network 16 to 128 features, and voxels are coarser where a patch
            would see less than a sixteenth of a usual image.
        orientation: Voxel order (x, y, z) of the model.
        memory_gb: The planner's target for the GPU; nnU-Net's is 8.

    Raises:
        InvalidInput: `too_few_cases`; `labels_missing`, naming the labels that no case has; `intensities_flat`;
            `model_labels_invalid`; `orientation_invalid`.
    """
    dataset: dict[str, Any] = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **{name: i for i, name in enumerate(labels, 1)}},
        "file_ending": ".nii.gz",
        "name": NAME,
        "orientation": orientation,
    }
    if [label["name"] for label in read_labels(dataset)] != list(labels):
        raise InvalidInput(
            "model_labels_invalid",
            "Two labels share a name, or one is called 'background' or 'ignore'; rename it.",
        )
    fingerprint = _Fingerprint(len(labels))
    for case in cases:
        fingerprint.add(case, orientation)
        del case  # before the next one is made
    dataset["numTraining"] = len(fingerprint.spacings)
    body = fingerprint.to_dict(labels)
    plans, configuration = _run_planner(folder / "planning", dataset, body, size, memory_gb)
    require_safe_plans(plans, configuration)
    require_sound_plans(plans, configuration)
    return plans, dataset, configuration


@dataclass
class _Fingerprint:
    """What nnU-Net's planner must know about the cases: `DatasetFingerprintExtractor.run` without files or processes."""

    n_labels: int
    spacings: list[list[float]] = field(default_factory=list)
    shapes: list[list[int]] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    intensities: list[NDArray[np.float32]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def add(self, case: PlanningCase, orientation: str) -> None:
        if not case.volume.shape == case.target.shape == case.geometry.shape:
            raise ValueError("a case's volume, codes and grid must have one shape")
        volume, grid = reorient(case.volume, case.geometry, orientation)
        codes, _ = reorient(case.target, case.geometry, orientation)
        labelled = np.where(codes <= self.n_labels, codes, 0)  # beyond are ignore and label sets
        self.seen.update(np.unique(labelled).tolist())
        # As in predict.py: (x, y, z) becomes nnU-Net's (z, y, x).
        image, mask = (array.transpose(2, 1, 0)[None] for array in (volume, labelled))
        cropped, inside, _ = crop_to_nonzero(image, mask)
        if (inside > 0).any():
            # Repeats are drawn where a case has few, so that each case counts alike, as in nnU-Net.
            (drawn,), _ = DatasetFingerprintExtractor.collect_foreground_intensities(
                inside, cropped, num_samples=SAMPLES
            )
            self.intensities.append(np.asarray(drawn, dtype=np.float32))
        self.spacings.append(list(grid.spacing_mm[::-1]))
        self.shapes.append([int(n) for n in cropped.shape[1:]])
        self.kept.append(float(np.prod(cropped.shape) / np.prod(image.shape)))

    def to_dict(self, labels: Sequence[str]) -> dict[str, Any]:
        """Return the fingerprint, or refuse cases that nothing could be learnt from."""
        if not self.spacings:
            raise InvalidInput(
                "too_few_cases", "There is no case to plan a training with. Add volumes with reviewed masks."
            )
        missing = [name for i, name in enumerate(labels, 1) if i not in self.seen]
        if missing or not self.intensities:
            raise InvalidInput(
                "labels_missing",
                f"No training case has these labels: {', '.join(missing)}. Add a reviewed case that has them, or "
                "take them out of the label set.",
            )
        return {
            "spacings": self.spacings,
            "shapes_after_crop": self.shapes,
            "foreground_intensity_properties_per_channel": {"0": self._statistics()},
            "median_relative_size_after_cropping": float(np.median(self.kept)),
        }

    def _statistics(self) -> dict[str, float]:
        values = np.concatenate(self.intensities)
        low, median, high = (float(value) for value in np.percentile(values, (0.5, 50.0, 99.5)))
        if not low < high:
            raise InvalidInput(
                "intensities_flat",
                "Nearly all labelled voxels have one and the same value. Check that the volumes are CT in HU.",
            )
        return {
            "mean": float(values.mean(dtype=np.float64)),
            "median": median,
            "std": float(values.std(dtype=np.float64)),
            "min": float(values.min()),
            "max": float(values.max()),
            "percentile_99_5": high,
            "percentile_00_5": low,
        }


class _Planner(ExperimentPlanner):  # type: ignore[misc]
    """nnU-Net's planner, which would open an image file only to see who can read it."""

    def determine_reader_writer(self) -> type[SimpleITKIO]:
        return SimpleITKIO


class _SmallPlanner(_Planner):
    """The same planner with a smaller budget, so that patches, pooling and kernels follow the spacing as nnU-Net's do."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, suppress_transpose=True, **kwargs)
        self.UNet_base_num_features = 16
        self.UNet_max_features_2d = self.UNet_max_features_3d = 128
        self.lowres_creation_threshold = 1 / 16

    def get_plans_for_configuration(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        settings: dict[str, Any] = super().get_plans_for_configuration(*args, **kwargs)
        return settings | {"batch_size": 2}


def _run_planner(
    folder: Path, dataset: dict[str, Any], fingerprint: dict[str, Any], size: Size, memory_gb: float | None
) -> tuple[dict[str, Any], str]:
    """Return the planner's answer as plain JSON values, with the one configuration that will be trained."""
    shutil.rmtree(folder, ignore_errors=True)  # the planner keeps what an earlier one of another dataset left
    raw, preprocessed = folder / "raw" / NAME, folder / "preprocessed" / NAME
    for name, place in (("raw", raw), ("preprocessed", preprocessed)):
        place.mkdir(parents=True)
        os.environ[f"nnUNet_{name}"] = str(place.parent)  # nnU-Net takes its folders from nowhere else
    # With the cases listed here (there is no file to list) the planner does not look for any.
    (raw / "dataset.json").write_text(json.dumps(dataset | {"dataset": {}}))
    (preprocessed / "dataset_fingerprint.json").write_text(json.dumps(fingerprint))
    kind, budget = (_SmallPlanner, SMALL_GB) if size == "small" else (_Planner, FULL_GB)
    with redirect_stdout(StringIO()):
        kind(NAME, gpu_memory_target_in_gb=memory_gb or budget).plan_experiment()
    plans: dict[str, Any] = json.loads((preprocessed / "nnUNetPlans.json").read_text())
    plans["experiment_planner_used"] = ExperimentPlanner.__name__  # the class that nnU-Net's own tools know
    return _one_configuration(plans, size)


def _one_configuration(plans: dict[str, Any], size: Size) -> tuple[dict[str, Any], str]:
    """Keep 3d_fullres, or 2d where a usual image is one slice; "small" takes the coarser voxels under that name."""
    planned = plans["configurations"]
    name = "3d_fullres" if "3d_fullres" in planned else "2d"
    chosen = planned[name]
    if size == "small" and name == "3d_fullres":
        coarse = planned.get("3d_lowres", {})
        chosen |= {key: coarse[key] for key in coarse.keys() & chosen.keys() - {"data_identifier"}}
        chosen["batch_dice"] = True  # most labels are missing from most patches of this size
    return plans | {"configurations": {name: chosen}}, name
