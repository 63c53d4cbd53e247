"""Bundles: a trained nnU-Net v2 model made safe to keep and load - JSON and safetensors, no pickle, no code.

A model file is code: checkpoints are read by a restricted loader, and the classes that plans may
name come from an allow-list, because nnU-Net imports and calls whatever its plans name.
"""

import json
import re
import shutil
import tempfile
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from segloop.errors import InvalidInput
from segloop.imaging import zip_errors
from segloop.nnunet.plans import require_safe_plans
from segloop.nnunet.verify import (
    count_outputs,
    read_labels,
    read_regions,
    require_fitting_weights,
    require_mirroring_axes,
    require_one_channel,
    require_sound_plans,
)

FORMAT = 1
MAX_ENTRIES, MAX_BYTES, MAX_RATIO = 2000, 8 * 2**30, 200
FOLD = re.compile(r"all|\d{1,3}")


@dataclass(frozen=True)
class BundleInfo:
    """What a bundle's model.json says; `orientation` is the axis codes (x, y, z) of the grid the model wants."""

    labels: list[dict[str, Any]]
    configuration: str
    folds: list[str]
    orientation: str
    plans: dict[str, Any]
    dataset: dict[str, Any]
    mirroring_axes: list[int]

    @property
    def regions(self) -> list[int]:
        """For each output of a model of regions the label that it paints, in that order; none for other models."""
        return read_regions(self.dataset)

    @property
    def n_outputs(self) -> int:
        """How many outputs the network has."""
        return count_outputs(self.dataset)


def import_model(path: Path, out: Path, *, orientation: str | None = None) -> BundleInfo:
    """Convert a trained nnU-Net v2 model folder, its export zip or a bundle into a bundle in the folder `out`.

    nnU-Net does not reorient, so a model works only on the voxel order it was trained on: `orientation`, axis
    codes (x, y, z) such as "RAS", or the entry of that name in dataset.json. It is never guessed.

    Raises:
        InvalidInput: `model_incomplete` (a file is missing or broken), `model_unsafe` (it names code that is
            not allowed, or the archive is hostile), `model_label_less`, `model_labels_invalid`,
            `model_plans_invalid`, `model_unsupported`, `model_ambiguous`, `model_orientation_unknown`.
    """
    if path.is_file():
        with tempfile.TemporaryDirectory(prefix="segloop-import-") as folder:
            _unzip(path, Path(folder))
            return import_model(Path(folder), out, orientation=orientation)
    if next(path.rglob("model.json"), None) is not None:
        return _copy_bundle(next(path.rglob("model.json")).parent, out)
    root = _model_root(path)
    plans, dataset = _read_json(root / "plans.json"), _read_json(root / "dataset.json")
    checkpoints = {
        file.parent.name.removeprefix("fold_"): _load_checkpoint(file)
        for file in sorted(root.glob("fold_*/checkpoint_final.pth"))
    }
    if not checkpoints:
        raise _incomplete("fold_*/checkpoint_final.pth")
    if len(checkpoints) > 1:
        checkpoints.pop("all", None)  # nnU-Net never averages it with the numbered folds
    first = next(iter(checkpoints.values()))
    if orientation is not None:
        dataset = dataset | {"orientation": orientation}
    info = _info(plans, dataset, first, folds=sorted(checkpoints))
    for checkpoint in checkpoints.values():
        _require_weights(info, checkpoint["network_weights"])
    out.mkdir(parents=True, exist_ok=True)
    for fold, checkpoint in checkpoints.items():
        _save_weights(checkpoint["network_weights"], out / f"fold_{fold}.safetensors")
    # In their own order: that of the labels is the order of the outputs where they stand for regions.
    (out / "model.json").write_text(json.dumps({"format": FORMAT, **vars(info)}, indent=1))
    return info


def read_bundle(folder: Path) -> BundleInfo:
    """Return what a bundle's model.json says, checked again: a stored file is no more trusted than an import."""
    body = _read_json(folder / "model.json")
    if body.pop("format", None) != FORMAT:
        raise InvalidInput(
            "model_unsupported",
            "This bundle is of another format; import the nnU-Net folder again.",
        )
    try:
        info = BundleInfo(**body)
        known_folds = bool(info.folds) and all(FOLD.fullmatch(fold) for fold in info.folds)
    except TypeError as error:
        raise _incomplete("model.json") from error
    if not known_folds:  # folds become file names
        raise InvalidInput("model_unsafe", "The bundle's folds have names that are not allowed.")
    require_safe_plans(info.plans, info.configuration)
    require_sound_plans(info.plans, info.configuration)
    require_one_channel(info.dataset)
    require_mirroring_axes(info.mirroring_axes, info.plans, info.configuration)
    if read_labels(info.dataset) != info.labels:
        raise _incomplete("list of labels in model.json")
    return info


def load_weights(folder: Path, fold: str) -> dict[str, torch.Tensor]:
    """Return one fold's state dict, with tensors that nnU-Net lists under several names under each of them."""
    path = folder / f"fold_{fold}.safetensors"
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise _incomplete(path.name) from error
    aliases = _read_json(folder / f"fold_{fold}.aliases.json")
    try:
        return tensors | {name: tensors[source] for name, source in aliases.items()}
    except (KeyError, TypeError) as error:
        raise _incomplete(f"fold_{fold}.aliases.json") from error


def write_nnunet_folder(source: Path, folder: Path) -> None:
    """Write a bundle as a model folder that nnU-Net's own commands predict with; no state of the training is in it."""
    info = read_bundle(source)
    for fold in info.folds:
        checkpoint = {
            "network_weights": load_weights(source, fold),
            "trainer_name": "nnUNetTrainer",
            "init_args": {"configuration": info.configuration},
            "inference_allowed_mirroring_axes": tuple(info.mirroring_axes),
        }
        (folder / f"fold_{fold}").mkdir(parents=True, exist_ok=True)
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    (folder / "plans.json").write_text(json.dumps(info.plans))
    (folder / "dataset.json").write_text(json.dumps(info.dataset))


def _info(
    plans: dict[str, Any],
    dataset: dict[str, Any],
    checkpoint: dict[str, Any],
    *,
    folds: list[str],
) -> BundleInfo:
    arguments = checkpoint["init_args"]
    configuration = str(arguments.get("configuration", "3d_fullres") if isinstance(arguments, dict) else "")
    require_safe_plans(plans, configuration)
    require_sound_plans(plans, configuration)
    labels = read_labels(dataset)
    require_one_channel(dataset)
    axes = require_mirroring_axes(checkpoint.get("inference_allowed_mirroring_axes"), plans, configuration)
    orientation = str(dataset.get("orientation", ""))
    if sorted({"L": "R", "P": "A", "I": "S"}.get(code, code) for code in orientation) != ["A", "R", "S"]:
        raise InvalidInput(
            "model_orientation_unknown",
            "Say in which voxel order the model was trained (--orientation, such as RAS or LPS: the order of its "
            "training files). A guess could mirror every mask.",
        )
    return BundleInfo(labels, configuration, folds, orientation, plans, dataset, axes)


def _load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running anything in it: tensors, plain values and numpy scalars only."""
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    allowed: list[Any] = [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        *(type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "?")),
        OrderedDict,
    ]
    try:
        with torch.serialization.safe_globals(allowed):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InvalidInput(
            "model_unsafe",
            f"{path.name} is broken or holds more than weights, and was not loaded.",
        ) from error
    if not isinstance(checkpoint, dict) or not {"network_weights", "init_args"} <= checkpoint.keys():
        raise _incomplete(f"network_weights in {path.name}")
    return checkpoint


def _require_weights(info: BundleInfo, state: object) -> None:
    if not isinstance(state, dict) or not all(
        isinstance(tensor, torch.Tensor) and tensor.device.type == "cpu" and tensor.layout == torch.strided
        for tensor in state.values()
    ):
        raise _incomplete("network_weights")
    require_fitting_weights(info.plans, info.configuration, state, n_classes=info.n_outputs)


def _save_weights(state: dict[str, torch.Tensor], path: Path) -> None:
    # nnU-Net lists the same tensor under up to three names: each is stored once.
    tensors: dict[str, torch.Tensor] = {}
    aliases: dict[str, str] = {}
    seen: dict[tuple[int, tuple[int, ...]], str] = {}
    for name, tensor in state.items():
        key = (tensor.data_ptr(), tuple(tensor.shape))
        if tensor.numel() and key in seen:
            aliases[name] = seen[key]
        else:
            seen[key] = name
            tensors[name] = tensor.detach().contiguous().clone()
    names = path.with_suffix(".aliases.json")
    names.write_text(json.dumps(aliases, sort_keys=True))
    save_file(tensors, path)
    shutil.copymode(names, path)  # safetensors lets only the owner read


def _copy_bundle(folder: Path, out: Path) -> BundleInfo:
    info = read_bundle(folder)
    out.mkdir(parents=True, exist_ok=True)
    names = [
        "model.json",
        *(f"fold_{f}{end}" for f in info.folds for end in (".safetensors", ".aliases.json")),
    ]
    for name in names:
        if not (folder / name).is_file():
            raise _incomplete(name)
        (out / name).write_bytes((folder / name).read_bytes())
    for fold in info.folds:
        _require_weights(info, load_weights(out, fold))
    return info


def _model_root(path: Path) -> Path:
    """Return the one folder that holds a trained model; nnU-Net exports all configurations unless told one."""
    plans = sorted(path.rglob("plans.json"))
    if not plans:
        raise _incomplete("plans.json")
    if len(plans) > 1:
        names = ", ".join(file.parent.name for file in plans)
        raise InvalidInput(
            "model_ambiguous",
            f"There is more than one model here: {names}. Import the folder of one, or export one (-c 3d_fullres).",
        )
    return plans[0].parent


def _read_json(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise _incomplete(path.name) from error
    if not isinstance(body, dict):
        raise _incomplete(path.name)
    return body


def _unzip(path: Path, folder: Path) -> None:
    """Write an archive's files under names we check, within limits of count, size and ratio."""
    unsafe = InvalidInput("model_unsafe", "The archive is hostile or far too large, and was not unpacked.")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            total = sum(entry.file_size for entry in entries)
            if len(entries) > MAX_ENTRIES or total > min(MAX_BYTES, MAX_RATIO * path.stat().st_size):
                raise unsafe
            for entry in entries:
                parts = PurePosixPath(entry.filename).parts
                is_link = (entry.external_attr >> 16) & 0o170000 == 0o120000
                if is_link or ".." in parts or entry.filename.startswith("/") or "\\" in entry.filename:
                    raise unsafe
                target = folder.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, target.open("wb") as file:
                    while chunk := source.read(1 << 20):
                        file.write(chunk)
    except zip_errors.RAISED as error:
        zip_errors.require_zips_fault(error)
        raise InvalidInput(
            "model_incomplete", "This is no model folder and no readable zip of one."
        ) from error


def _incomplete(name: str) -> InvalidInput:
    return InvalidInput(
        "model_incomplete",
        f"The model lacks a readable {name}; export it from nnU-Net v2 again.",
    )
