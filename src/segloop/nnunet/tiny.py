"""A tiny nnU-Net v2 model folder with hand-set weights: real files, known answers, made in a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from numpy.typing import NDArray
from torch import nn

_SCALE_HU = 1000.0  # the plans' standard deviation, with mean 0: the network sees HU / 1000
_FEATURES = (4, 8)


def class_centres_hu(labels: int) -> NDArray[np.float64]:
    """HU that each class of a tiny model stands for, background (-1000, air) first; length `labels` + 1."""
    return np.concatenate(([-1000.0], np.linspace(-100.0, 1500.0, labels)))


def expected_labels(volume: NDArray[Any], labels: int = 7) -> NDArray[np.uint8]:
    """What a tiny "threshold" model must answer on `volume` (HU, any shape): the class with the nearest centre.

    A value exactly between two centres may go to either class, because tiles are averaged in half precision.
    """
    edges = np.convolve(class_centres_hu(labels), [0.5, 0.5], "valid")
    answer: NDArray[np.uint8] = np.digitize(volume, edges).astype(np.uint8)
    return answer


def write_tiny_model(
    folder: Path,
    *,
    labels: int = 7,
    patch: tuple[int, ...] = (32, 32, 32),
    spacing_mm: tuple[float, ...] = (3.0, 3.0, 3.0),
    transpose: tuple[int, int, int] = (0, 1, 2),
    orientation: str = "RAS",
    seed: int = 0,
    weights: Literal["threshold", "random"] = "threshold",
    label_names: tuple[str, ...] | None = None,
    features: tuple[int, ...] = _FEATURES,
    convolutions: int = 1,
) -> Path:
    """Write an untrained, deterministic nnU-Net v2 model folder and return it.

    Args:
        folder: Receives dataset.json, plans.json and fold_0/checkpoint_final.pth; made if missing.
        labels: Number of classes besides the background.
        patch: Patch in nnU-Net's order (z, y, x) after `transpose`, even numbers; the last two make a 2D model.
        spacing_mm: The plans' target spacing in the same order. A volume on this spacing is not resampled.
        transpose: The plans' transpose_forward: which axis of (z, y, x) comes first, second and third.
        orientation: Axis codes (x, y, z) of the grid the model wants, kept as an extra key of dataset.json.
        seed: Fixes the weights that are not set by hand.
        weights: "threshold" answers `expected_labels` voxel by voxel, whatever the neighbours, the tile or the
            axis order (3D only); "random" has weights that mix neighbours and directions, so any flip changes its
            answer, in which most classes appear where the voxels are noise.
        label_names: Names in index order; "class_1" ... if absent.
        features: Channels of each stage; the axes are halved from one to the next.
        convolutions: How many each stage has.
    """
    names = label_names or tuple(f"class_{i}" for i in range(1, labels + 1))
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **{name: i for i, name in enumerate(names, 1)}},
        "numTraining": 0,
        "file_ending": ".nii.gz",
        "name": "Dataset999_Tiny",
        "orientation": orientation,
    }
    architecture = _architecture(len(patch), features, convolutions)
    plans = _plans(patch, spacing_mm, transpose, architecture)
    (configuration,) = plans["configurations"]
    network = _network(labels + 1, seed, len(patch), architecture)
    if weights == "threshold":
        _set_threshold_weights(network, labels, features[0], convolutions)
    fold = folder / "fold_0"
    fold.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=1))
    (folder / "plans.json").write_text(json.dumps(plans, indent=1))
    checkpoint = {
        "network_weights": network.state_dict(),
        "trainer_name": "nnUNetTrainer",
        "init_args": {
            "plans": plans,
            "configuration": configuration,
            "fold": 0,
            "dataset_json": dataset,
        },
        "inference_allowed_mirroring_axes": tuple(range(len(patch))),
        "current_epoch": 0,
    }
    torch.save(checkpoint, fold / "checkpoint_final.pth")
    return folder


def _network(classes: int, seed: int, dimensions: int, architecture: dict[str, Any]) -> PlainConvUNet:
    """Network with seeded weights; the caller's random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        conv = nn.Conv3d if dimensions == 3 else nn.Conv2d
        kwargs = architecture | {"conv_op": conv, "nonlin": nn.LeakyReLU}
        network = PlainConvUNet(input_channels=1, num_classes=classes, deep_supervision=False, **kwargs)
        side = max(16, 2 ** len(architecture["features_per_stage"]))
        _spread_classes(network, torch.randn(1, 1, *[side] * dimensions) * 0.6 + 0.2)
    return network


@torch.no_grad()
def _spread_classes(network: PlainConvUNet, noise: torch.Tensor) -> None:
    """Set the head so that all classes appear in noise; with plain random weights two or three hide the others.

    Each class stands for the features c of one random voxel and wins where they are the nearest: its logit
    c f - c^2 / 2 is largest where |f - c| is smallest.
    """
    seen: list[torch.Tensor] = []
    head = network.decoder.seg_layers[-1]
    hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(noise)
    hook.remove()
    features = seen[0][0].flatten(1)
    centres = features[:, torch.randperm(features.shape[1])[: head.out_channels]].T
    head.weight.copy_(centres.reshape(head.weight.shape))
    head.bias.copy_(-(centres**2).sum(1) / 2)


def _architecture(dimensions: int, features: tuple[int, ...], convolutions: int) -> dict[str, Any]:
    """Return a plain U-Net without normalisation for the plans."""
    n = len(features)
    return {
        "n_stages": n,
        "features_per_stage": list(features),
        "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
        "kernel_sizes": [[3] * dimensions] * n,
        "strides": [[1] * dimensions, *[[2] * dimensions] * (n - 1)],
        "n_conv_per_stage": [convolutions] * n,
        "n_conv_per_stage_decoder": [convolutions] * (n - 1),
        "conv_bias": True,
        "norm_op": None,
        "norm_op_kwargs": {},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }


def _set_threshold_weights(network: PlainConvUNet, labels: int, skip: int, convolutions: int) -> None:
    """Make every logit a linear function of the voxel's own value; the first stage has `skip` channels.

    The pair (h, -h) passes LeakyReLU unharmed, because leaky(h) - leaky(-h) = 1.01 h. With the logits
    m_k h - m_k^2 / 2 the largest one belongs to the nearest centre m_k.
    """
    slope = 1.01
    state = network.state_dict()  # shares memory with the network, so in-place edits are the change
    last = len(network.decoder.stages) - 1
    layers = [f"encoder.stages.0.0.convs.{i}.conv" for i in range(convolutions)]
    layers += [f"decoder.stages.{last}.convs.{i}.conv" for i in range(convolutions)]
    head = f"decoder.seg_layers.{last}"
    for key in (*layers, head):
        state[f"{key}.weight"].zero_()
        state[f"{key}.bias"].zero_()
    for index, key in enumerate(layers):
        first = skip if index == convolutions else 0  # the decoder sees (upsampled, skip) along the channels
        for channel, sign in enumerate((1.0, -1.0)):
            weights = state[f"{key}.weight"][channel, :, 1, 1, 1]
            if index == 0:
                weights[0] = sign
            else:
                weights[first], weights[first + 1] = sign / slope, -sign / slope
    centres = torch.from_numpy(class_centres_hu(labels) / _SCALE_HU).float()
    gain = 20.0  # spreads the logits, so that half-precision averaging of tiles cannot blur the decision
    state[f"{head}.weight"][:, 0, 0, 0, 0] = gain * centres / slope
    state[f"{head}.weight"][:, 1, 0, 0, 0] = -gain * centres / slope
    state[f"{head}.bias"][:] = -gain * centres**2 / 2


def _plans(
    patch: tuple[int, ...],
    spacing_mm: tuple[float, ...],
    transpose: tuple[int, int, int],
    architecture: dict[str, Any],
) -> dict[str, Any]:
    """nnU-Net v2 plans with one configuration, 3d_fullres or 2d; (z, y, x) throughout, as nnU-Net has it."""
    name = "3d_fullres" if len(patch) == 3 else "2d"
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": f"nnUNetPlans_{name}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch),
        "median_image_size_in_voxels": [float(n) for n in patch],
        "spacing": list(spacing_mm),
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": resampling | {"is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": resampling | {"order": 1},
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": architecture,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        "batch_dice": False,
    }
    intensities = {
        "max": 3071.0,
        "min": -1024.0,
        "mean": 0.0,
        "median": 0.0,
        "std": _SCALE_HU,
    }
    return {
        "dataset_name": "Dataset999_Tiny",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": list(spacing_mm),
        "original_median_shape_after_transp": list(patch),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": list(transpose),
        "transpose_backward": [transpose.index(axis) for axis in range(3)],
        "configurations": {name: configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": intensities | {"percentile_00_5": -1024.0, "percentile_99_5": 3071.0}
        },
    }
