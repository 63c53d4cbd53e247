"""Can this model be served: its labels, the numbers in its plans and its weights are checked when it is imported.

What is wrong here would otherwise be found by a job, as a crash or, worse, as a mask with the wrong labels.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch

from segloop.errors import InvalidInput
from segloop.nnunet.plans import build_network, resolved

MAX_PATCH, MAX_STAGES, MAX_NUMBER, MAX_ITEMS = 1024, 16, 4096, 2000
SPACING_MM = (0.01, 100.0)
RESAMPLING_OPTIONS = {
    "is_seg",
    "order",
    "order_z",
    "force_separate_z",
    "separate_z_anisotropy_threshold",
    "memefficient_seg_resampling",
    "num_threads",
    "mode",
    "aniso_axis_mode",
}
CT_STATISTICS = ("mean", "std", "percentile_00_5", "percentile_99_5")


def read_labels(dataset: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the labels of a dataset.json as {"name", "index"} by index, without background and "ignore".

    nnU-Net numbers the network's outputs 0, 1, 2 ...; where labels have gaps its masks are wrong without a word. For a model of
    regions they are what its masks hold: of each region what no later one covers, named so.

    Raises:
        InvalidInput: `model_label_less` or `model_labels_invalid`.
    """
    labels = dataset.get("labels", {})
    if not isinstance(labels, dict):
        raise _labels_invalid("they are not an object of names and numbers")
    if any(isinstance(value, list) for value in labels.values()):
        return _labels_of_regions(labels, dataset.get("regions_class_order"))
    if not all(type(value) is int for value in labels.values()) or not all(name.strip() for name in labels):
        raise _labels_invalid("each needs a name and a whole number")
    indices = sorted(index for name, index in labels.items() if name != "ignore")
    if indices in ([], [0]):
        raise InvalidInput(
            "model_label_less",
            "The model's dataset.json names no labels, so its masks mean nothing.",
        )
    if labels.get("background") != 0 or indices != list(range(len(indices))):
        raise _labels_invalid("they must run from background = 0 without gaps or repeats")
    if labels.get("ignore", len(indices)) != len(indices):
        raise _labels_invalid("'ignore' must be the number after the last label")
    named = [{"name": name, "index": index} for name, index in labels.items() if name != "ignore" and index]
    return sorted(named, key=lambda label: int(label["index"]))


def read_regions(dataset: dict[str, Any]) -> list[int]:
    """Return for each output of a model of regions the label that it paints, in that order; none for other models."""
    is_of_regions = any(isinstance(value, list) for value in dataset["labels"].values())
    return list(dataset["regions_class_order"]) if is_of_regions else []


def count_outputs(dataset: dict[str, Any]) -> int:
    """Return how many outputs the network has: one for each region, or for each label and the background."""
    return len(read_regions(dataset)) or len(read_labels(dataset)) + 1


def _labels_of_regions(labels: dict[str, Any], order: object) -> list[dict[str, Any]]:
    parts = {name: value if isinstance(value, list) else [value] for name, value in labels.items()}
    if not all(
        name.strip() and part and all(type(n) is int and 0 <= n < 255 for n in part)
        for name, part in parts.items()
    ):
        raise _labels_invalid("each region needs a name and its labels, whole numbers")
    ignore = parts.pop("ignore", None)
    if parts.pop("background", None) != [0] or any(0 in part for part in parts.values()):
        raise _labels_invalid("background must be 0 and in no region")
    known = {n for part in parts.values() for n in part}
    if not any(len(part) > 1 for part in parts.values()) or (ignore or [max(known) + 1]) != [max(known) + 1]:
        raise _labels_invalid("write single labels as numbers, and 'ignore' as the number after the last")
    if not isinstance(order, list) or len(order) != len(parts) or not all(type(n) is int for n in order):
        raise _labels_invalid("regions_class_order must name a label for each region")
    if len(set(order)) != len(order) or not set(order) <= known:
        raise _labels_invalid("regions_class_order must name a label of its own for each region")
    found = []
    names = list(parts)
    for at, (name, index) in enumerate(zip(names, order, strict=True)):
        over = [later for later in names[at + 1 :] if set(parts[later]) & set(parts[name])]
        found.append({"name": f"{name} without {', '.join(over)}" if over else name, "index": index})
    return sorted(found, key=lambda label: int(label["index"]))


def require_one_channel(dataset: dict[str, Any]) -> None:
    """Check that the model takes one CT.

    Raises:
        InvalidInput: `model_unsupported` for several channels, `model_incomplete` when it does not say.
    """
    channels = dataset.get("channel_names") if isinstance(dataset, dict) else None
    if not isinstance(channels, dict) or not channels:
        raise InvalidInput(
            "model_incomplete",
            "The model lacks a readable channel_names in dataset.json; export it from nnU-Net v2 again.",
        )
    if len(channels) != 1:
        raise InvalidInput(
            "model_unsupported",
            "Models of several input channels are not supported; one CT is.",
        )


def require_mirroring_axes(axes: object, plans: dict[str, Any], configuration: str) -> list[int]:
    """Return the axes of the patch along which a model may be mirrored, from its checkpoint or bundle; none for None.

    Raises:
        InvalidInput: `model_plans_invalid`.
    """
    found: list[Any] = [] if axes is None else list(axes) if isinstance(axes, list | tuple) else [axes]
    allowed = range(len(resolved(plans, configuration)["patch_size"]))
    if not all(type(axis) is int and axis in allowed for axis in found) or len(set(found)) < len(found):
        raise InvalidInput(
            "model_plans_invalid",
            "The model's mirroring axes are not axes of its patch. Export the model again.",
        )
    return found


def require_sound_plans(plans: dict[str, Any], configuration: str) -> None:
    """Check every number that nnU-Net will use of plans whose names are safe already.

    Raises:
        InvalidInput: `model_plans_invalid`, naming what is wrong.
    """
    try:
        wrong = next(_wrong(plans, resolved(plans, configuration)), None)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        wrong = f"{error} is missing or of another kind"
    if wrong:
        raise InvalidInput(
            "model_plans_invalid", f"The plans can't be used: {wrong}. Export the model again."
        )


def require_fitting_weights(
    plans: dict[str, Any], configuration: str, state: dict[str, torch.Tensor], *, n_classes: int
) -> None:
    """Check that a state dict is that of the plans' network, without allocating the network.

    It is built on torch's "meta" device, where tensors have shapes and no memory, and sent a patch.

    Raises:
        InvalidInput: `model_incomplete` (other weights, or not finite), `model_plans_invalid` (no such network).
    """
    patch = resolved(plans, configuration)["patch_size"]
    try:
        with torch.device("meta"):
            network = build_network(plans, configuration, n_channels=1, n_classes=n_classes).eval()
            answer = network(torch.empty(1, 1, *patch))
    except InvalidInput:
        raise
    except Exception as error:  # whatever hostile plans make of somebody else's classes
        raise InvalidInput(
            "model_plans_invalid",
            f"The plans do not describe a network that takes their patch of {patch}. Export the model again.",
        ) from error
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if answer.shape[1] != n_classes or expected != {name: tensor.shape for name, tensor in state.items()}:
        raise InvalidInput(
            "model_incomplete", "The model's weights do not fit its plans and labels; export it again."
        )
    if not all(bool(torch.isfinite(tensor).all()) for tensor in state.values()):
        raise InvalidInput(
            "model_incomplete",
            "The model's weights are not all finite numbers: its training went wrong. Import another checkpoint.",
        )


def _wrong(plans: dict[str, Any], settings: dict[str, Any]) -> Iterator[str]:
    patch, spacing = settings["patch_size"], settings["spacing"]
    if len(patch) not in (2, 3) or not all(type(n) is int and 1 <= n <= MAX_PATCH for n in patch):
        yield f"patch_size must be two or three whole numbers from 1 to {MAX_PATCH}"
    if len(spacing) != len(patch) or not all(_within(mm, *SPACING_MM) for mm in spacing):
        yield f"spacing must be as many numbers as patch_size has, within {SPACING_MM} mm"
    forward, backward = plans["transpose_forward"], plans["transpose_backward"]
    if sorted(forward) != [0, 1, 2] or [forward[axis] for axis in backward] != [0, 1, 2]:
        yield "transpose_forward and transpose_backward must undo each other"
    if len(settings["normalization_schemes"]) != 1 or settings["use_mask_for_norm"] not in ([True], [False]):
        yield "normalization_schemes and use_mask_for_norm must name one channel"
    statistics = plans["foreground_intensity_properties_per_channel"]["0"]
    if settings["normalization_schemes"] == ["CTNormalization"] and not (
        all(_within(statistics[key], -1e6, 1e6) for key in CT_STATISTICS)
        and statistics["std"] > 0
        and statistics["percentile_00_5"] < statistics["percentile_99_5"]
    ):
        yield "the intensity statistics must be finite, with a spread"
    for kind in ("data", "seg", "probabilities"):
        options = settings[f"resampling_fn_{kind}_kwargs"]
        if options.keys() - RESAMPLING_OPTIONS or any(
            _is_excessive(value, 100) for value in options.values()
        ):
            yield f"resampling_fn_{kind}_kwargs holds what is not known"
    network = settings["architecture"]["arch_kwargs"]
    if not _within(network["n_stages"], 1, MAX_STAGES) or _is_excessive(network, MAX_NUMBER):
        yield "the network is far too large"
    counts = [value for key, value in network.items() if key.startswith(("n_conv", "n_blocks"))]
    if _is_excessive(counts, 64):
        yield "the network is far too deep"


def _within(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _is_excessive(value: object, limit: float) -> bool:
    """Say whether plain values hold a number that is beyond `limit` or not finite, or are too many."""
    todo, seen = [value], 0
    while todo:
        item = todo.pop()
        seen += 1
        if isinstance(item, dict | list):
            todo += item.values() if isinstance(item, dict) else item
        if isinstance(item, int | float) and not (math.isfinite(item) and abs(item) <= limit):
            return True
    return seen > MAX_ITEMS


def _labels_invalid(why: str) -> InvalidInput:
    return InvalidInput(
        "model_labels_invalid",
        f"The labels in the model's dataset.json can't be used: {why}. Correct them and train again.",
    )
