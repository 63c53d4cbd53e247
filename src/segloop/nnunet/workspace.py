"""A training run's folder as nnU-Net wants it: preprocessed cases, our split, and what the run must know."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray

from segloop.imaging.geometry import Geometry, reorient
from segloop.nnunet import checkpoint
from segloop.nnunet.plans import require_safe_plans
from segloop.nnunet.verify import read_labels, require_sound_plans
from segloop.training.label_sets import LabelSets, mirror_pairs
from segloop.training.progress import write_json
from segloop.training.recipe import Recipe
from segloop.training.split import write_splits


@dataclass(frozen=True)
class Workspace:
    """One run in one folder: plans and dataset.json of the version it starts from, the label sets, the recipe.

    `orientation` is the voxel order (x, y, z) of the model; `new` and `earlier` name the training cases, `validation`
    those that validate. Cases lie under `preprocessed/`, the trained folder appears under `results/`.
    """

    folder: Path
    plans: dict[str, Any]
    dataset: dict[str, Any]
    configuration: str
    orientation: str
    table: LabelSets
    recipe: Recipe
    new: tuple[str, ...]
    earlier: tuple[str, ...]
    validation: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """Names of the classes in the order of the network's outputs, without the background."""
        return [label["name"] for label in read_labels(self.dataset)]

    @property
    def mirrored(self) -> dict[int, int]:
        """Each class that has a partner on the other side, mapped to it."""
        return mirror_pairs(self.labels)

    @property
    def left_right_axis(self) -> int:
        """The axis of nnU-Net's arrays, (z, y, x) before the plans' transposition, along which left becomes right."""
        along = next(i for i, code in enumerate(self.orientation) if code in "RL")
        return int(self.plans["transpose_forward"].index(2 - along))

    @property
    def case_folder(self) -> Path:
        """Where nnU-Net finds the preprocessed cases."""
        identifier = PlansManager(self.plans).get_configuration(self.configuration).data_identifier
        return self.folder / "preprocessed" / str(self.plans["dataset_name"]) / str(identifier)

    def save(self) -> None:
        """Write what the run must know, and the split that nnU-Net would otherwise make up."""
        base = self.case_folder.parent
        self.case_folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "results").mkdir(exist_ok=True)
        training = sorted({*self.new, *self.earlier})
        body = {
            **{
                name: getattr(self, name)
                for name in (
                    "plans",
                    "dataset",
                    "configuration",
                    "orientation",
                    "new",
                    "earlier",
                    "validation",
                )
            },
            "table": self.table.to_dict(),
            "recipe": self.recipe.to_dict(),
        }
        write_splits(base / "splits_final.json", training, self.validation)
        write_json(self.folder / "run.json", body)

    @classmethod
    def load(cls, folder: Path) -> "Workspace":
        """Return the workspace of a folder that `save` wrote, its plans checked again."""
        body = json.loads((folder / "run.json").read_text())
        require_safe_plans(body["plans"], body["configuration"])
        require_sound_plans(body["plans"], body["configuration"])
        return cls(
            folder,
            body["plans"],
            body["dataset"],
            body["configuration"],
            body["orientation"],
            LabelSets.from_dict(body["table"]),
            Recipe.from_dict(body["recipe"]),
            *(tuple(body[name]) for name in ("new", "earlier", "validation")),
        )

    def add_case(
        self, case_id: str, volume: NDArray[Any], target: NDArray[np.int16], geometry: Geometry
    ) -> None:
        """Preprocess one case with nnU-Net's own code, replacing an earlier one of that name.

        Args:
            case_id: Letters, digits, "-" and "_".
            volume: HU (x, y, z) on `geometry`, in any orientation.
            target: Codes of `table` on the same grid; see `segloop.training.target`.
            geometry: Of both.
        """
        if not case_id.replace("-", "").replace("_", "").isalnum():
            raise ValueError("a case's name becomes a file's name")
        manager = PlansManager(self.plans)
        configuration = manager.get_configuration(self.configuration)
        image, grid = reorient(volume, geometry, self.orientation)
        codes, _ = reorient(target, geometry, self.orientation)
        properties: dict[str, Any] = {"spacing": list(grid.spacing_mm[::-1])}
        # As in predict.py: (x, y, z) becomes nnU-Net's (z, y, x).
        data, seg, properties = DefaultPreprocessor(verbose=False).run_case_npy(
            image.transpose(2, 1, 0)[None],
            codes.transpose(2, 1, 0)[None],
            properties,
            manager,
            configuration,
            with_ignore(self.dataset, self.table),
        )
        properties["class_locations"] = _locations(seg, self.table)
        self._store(case_id, data.astype(np.float32), seg.astype(np.int16), properties)

    def write_trained(
        self, fold: Path, weights: Mapping[str, Any], mirroring_axes: Sequence[int] | None
    ) -> None:
        """Write a regular nnU-Net model folder around `fold` (its fold_0), fit for `bundle.import_model`."""
        dataset = self.dataset | {"orientation": self.orientation}
        init = {
            "plans": self.plans,
            "configuration": self.configuration,
            "fold": 0,
            "dataset_json": dataset,
        }
        trained = {
            "network_weights": dict(weights),
            "trainer_name": "nnUNetTrainer",  # the class that nnU-Net's own tools must look up
            "init_args": init,
            "inference_allowed_mirroring_axes": mirroring_axes,
            "current_epoch": self.recipe.n_epochs,
        }
        write_json(fold.parent / "plans.json", self.plans)
        write_json(fold.parent / "dataset.json", dataset)
        checkpoint.write(trained, fold / "checkpoint_final.pth")

    def _store(
        self, case_id: str, data: NDArray[Any], seg: NDArray[Any], properties: Mapping[str, Any]
    ) -> None:
        """Write under another name and rename, the file that names the case last: a case that is there is complete."""
        patch = tuple(PlansManager(self.plans).get_configuration(self.configuration).patch_size)
        patch = (1,) * (3 - len(patch)) + patch
        blocks, chunks = comp_blosc2_params(data.shape, patch, data.itemsize)
        blocks_seg, chunks_seg = comp_blosc2_params(seg.shape, patch, seg.itemsize)
        partial = self.case_folder.parent / "partial"
        partial.mkdir(parents=True, exist_ok=True)
        self.case_folder.mkdir(exist_ok=True)
        for old in partial.glob(f"{case_id}*"):
            old.unlink()
        nnUNetDatasetBlosc2.save_case(
            data,
            seg,
            dict(properties),
            str(partial / case_id),
            chunks=chunks,
            blocks=blocks,
            chunks_seg=chunks_seg,
            blocks_seg=blocks_seg,
        )
        for ending in (".pkl", "_seg.b2nd", ".b2nd"):
            (partial / f"{case_id}{ending}").replace(self.case_folder / f"{case_id}{ending}")


def with_ignore(dataset: Mapping[str, Any], table: LabelSets) -> dict[str, Any]:
    """Return dataset.json with nnU-Net's ignore label, which the sets' codes follow."""
    return {**dataset, "labels": {**dataset["labels"], "ignore": table.ignore}}


def _locations(seg: NDArray[Any], table: LabelSets) -> dict[Any, Any]:
    """Return where nnU-Net's loader may centre a patch: on each label, and on anything that teaches something.

    nnU-Net would call voxels of a label set unannotated, and so sample a partial case on its labels alone.
    """
    labels: Sequence[int] = range(1, table.n_classes)
    taught = [-1, *range(table.n_classes), *range(table.ignore + 1, table.n_codes)]
    found: dict[Any, Any] = DefaultPreprocessor._sample_foreground_locations(seg, [*labels, taught])
    # The loader asks under the key that it makes of dataset.json's labels.
    found[(-1, *range(table.n_classes))] = found.pop(tuple(taught))
    return found
