"""Prediction in this process with nnU-Net's own arithmetic: no command line, no child processes, no prints."""

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.export_prediction import (
    convert_predicted_logits_to_segmentation_with_correct_shape,
)
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray
from torch import nn

from segloop.errors import InvalidInput
from segloop.imaging.geometry import Geometry, reorient, restore
from segloop.model_versions.profiles import Profile, require_profile
from segloop.nnunet import bundle, memory, preprocess
from segloop.nnunet.device import choose, no_room_on_gpu, on_first_with_room, threads_kept
from segloop.nnunet.export import write_labels
from segloop.nnunet.onednn import OneDnn
from segloop.nnunet.openvino_network import Compiled
from segloop.nnunet.plans import build_network
from segloop.nnunet.window import Network, Window

Progress = Callable[[str, float], None]
Mask = NDArray[np.uint8] | NDArray[np.uint16]


class Cancelled(Exception):
    """Raised between two tiles when `cancelled()` says so."""


class Predictor:
    """One model version, warm in memory; one prediction at a time.

    nnU-Net's step size 0.5 with Gaussian weighting, all folds averaged; mirroring as the profile says.
    """

    def __init__(
        self,
        info: bundle.BundleInfo,
        weights: list[dict[str, torch.Tensor]],
        device: torch.device,
    ) -> None:
        self.info = info
        self.device = device
        self._lock = threading.Lock()
        self.plans = PlansManager(info.plans)
        self.configuration = self.plans.get_configuration(info.configuration)
        self._labels = self.plans.get_label_manager(info.dataset)
        self._network = build_network(
            info.plans,
            info.configuration,
            n_channels=1,
            n_classes=info.n_outputs,
        )
        self._network.to(device).eval()
        self._weights, self._fold = weights, -1
        # Each once: a weight too many or too few is an error now, not a strange mask later.
        for fold in range(len(weights)):
            self._network_of(fold)
        self._made_fast: dict[int, Network] = {}
        self.memory_bytes = sum(self._bytes_of(fold) for fold in range(len(weights)))

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto", threads: int = 0) -> "Predictor":
        """Load a bundle folder onto "cpu", "cuda" or what there is; `threads` > 0 bounds the CPU's threads.

        Raises:
            InvalidInput: `model_incomplete`, `model_unsafe` or `gpu_memory_short`.
            Unavailable: `device_unavailable` when a GPU is asked for and there is none.
        """
        device = choose(device)
        if threads > 0:
            torch.set_num_threads(threads)
        info = bundle.read_bundle(folder)
        try:
            return cls(
                info,
                [bundle.load_weights(folder, fold) for fold in info.folds],
                torch.device(device),
            )
        except torch.OutOfMemoryError as error:
            raise no_room_on_gpu() from error
        except RuntimeError as error:
            raise InvalidInput("model_incomplete", "The model's weights do not fit its plans.") from error

    def require_room(self, geometry: Geometry, available: int, profile: Profile = "exact") -> None:
        """Check that a volume on this grid can be predicted with `available` bytes of memory, before any work on it.

        Raises:
            InvalidInput: `volume_too_large`, with both amounts; `volume_too_small`.
        """
        memory.require_room(geometry, self.info, available, profile)

    def predict(
        self,
        volume: NDArray[Any],
        geometry: Geometry,
        *,
        profile: Profile = "exact",
        progress: Progress = lambda stage, fraction: None,
        cancelled: Callable[[], bool] = lambda: False,
        available: Callable[[], int] = memory.available_bytes,
    ) -> Mask:
        """Return the mask of a volume (x, y, z) in HU, on exactly the volume's grid and in its index order.

        `available` says how many bytes of memory are free beside the volume, which is there already.

        Raises:
            InvalidInput: `not_finite`; `mask_grid` when shape and geometry disagree; `prediction_overflow`;
                `gpu_memory_short`; as `require_room`.
            Conflict: `profile_unavailable`.
            Cancelled: between two tiles.
        """
        if volume.shape != geometry.shape:
            raise InvalidInput(
                "mask_grid",
                f"The volume has shape {volume.shape} and its grid {geometry.shape}.",
            )
        require_profile(profile, self.info.mirroring_axes)
        self.require_room(geometry, available() + volume.nbytes, profile)
        if not np.isfinite(volume).all():
            raise InvalidInput(
                "not_finite",
                "The volume holds NaN or infinite voxels; export it again.",
            )
        memory.require_content(volume, geometry, self.info)
        turned, grid = reorient(volume, geometry, self.info.orientation)

        def report(stage: str, fraction: float) -> None:
            if cancelled():
                raise Cancelled
            progress(stage, fraction)

        with self._lock, threads_kept():
            report("preprocessing", 0.0)
            # The one place where (x, y, z) becomes nnU-Net's (z, y, x).
            image, spacing_mm = turned.transpose(2, 1, 0), grid.spacing_mm[::-1]
            mask_zyx = on_first_with_room(
                self.device, lambda place: self._predict_zyx(image, spacing_mm, profile, place, report)
            )
        return np.asfortranarray(restore(mask_zyx.transpose(2, 1, 0), geometry, self.info.orientation))

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """Return the network's outputs (classes, three axes) in half precision for an image (1, three axes) on its own grid.

        With the profile `exact`, in main memory.
        """
        with self._lock:
            return self._logits(image, "exact", torch.device("cpu"), lambda fraction: None)

    def _logits(
        self, image: torch.Tensor, profile: Profile, kept_on: torch.device, step: Callable[[float], None]
    ) -> torch.Tensor:
        window = Window(
            tuple(self.configuration.patch_size),
            self._labels.num_segmentation_heads,
            self.device,
            mirroring_axes=tuple(self.info.mirroring_axes) if profile == "exact+mirroring" else (),
        )
        try:
            # Not what is compiled: its convolutions are translated by name.
            with nullcontext() if profile == "fast" else OneDnn():
                return window.logits(
                    self.networks(profile),
                    image,
                    n_networks=len(self._weights),
                    kept_on=kept_on,
                    step=step,
                )
        finally:
            for network in self._made_fast.values():
                if isinstance(network, Compiled):
                    network.release_memory()

    def networks(self, profile: Profile) -> Iterator[Network]:
        """Yield the network with each fold's weights in turn; a next one may replace the one before."""
        for fold in range(len(self._weights)):
            yield self._fast(fold) if profile == "fast" else self._network_of(fold)

    def _network_of(self, fold: int) -> nn.Module:
        if fold != self._fold:
            # In main memory the network takes the tensors themselves, so that they are there once.
            self._network.load_state_dict(self._weights[fold], strict=True, assign=self.device.type == "cpu")
            self._fold = fold
        return self._network

    def _fast(self, fold: int) -> Network:
        """Return a fold's network made for speed, kept from its first use on."""
        if fold not in self._made_fast:
            network = self._network_of(fold)
            if self.device.type == "cuda":
                # The same half precision as always there; its memory layout is the one that the GPU's convolutions like.
                layout = (
                    torch.channels_last_3d if len(self.configuration.patch_size) == 3 else torch.channels_last
                )
                self._made_fast[fold] = deepcopy(network).half().to(memory_format=layout)  # type: ignore[call-overload]
                self.memory_bytes += self._bytes_of(fold)
            else:
                strides = self.configuration.configuration["architecture"]["arch_kwargs"]["strides"]
                patch = self.configuration.patch_size
                self._made_fast[fold] = Compiled(network, patch, strides, torch.get_num_threads())
                self.memory_bytes += 2 * self._bytes_of(fold)  # a copy, and OpenVINO's own in another order
        return self._made_fast[fold]

    def _bytes_of(self, fold: int) -> int:
        # A tensor that has several names is there once.
        tensors = {tensor.data_ptr(): tensor for tensor in self._weights[fold].values()}
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())

    def _predict_zyx(
        self,
        image: NDArray[Any],
        spacing_mm: tuple[float, ...],
        profile: Profile,
        place: torch.device,
        report: Progress,
    ) -> Mask:
        data, placement = preprocess.prepare(image, spacing_mm, self.plans, self.configuration, place)
        logits = self._logits(
            data, profile, place, lambda fraction: report("predicting", 0.05 + 0.85 * fraction)
        )
        del data
        report("exporting", 0.9)
        way = preprocess.way_back(self.configuration, placement)
        if way is None:
            return self._export_by_nnunet(logits.cpu(), placement, spacing_mm)
        kind = np.uint8 if max(label["index"] for label in self.info.labels) < 255 else np.uint16
        mask: Any = np.zeros(placement.full, kind)
        inside = tuple(slice(first, stop) for first, stop in placement.box)
        write_labels(
            logits,
            mask[inside],
            way,
            regions=self.info.regions,
            step=lambda fraction: report("exporting", 0.9 + 0.1 * fraction),
        )
        turned: Mask = mask.transpose(self.plans.transpose_backward)
        return turned

    def _export_by_nnunet(
        self, logits: torch.Tensor, placement: preprocess.Placement, spacing_mm: tuple[float, ...]
    ) -> Mask:
        """Return the mask by nnU-Net's own code: slower, and classes x full grid in memory."""
        mask: Mask = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits,
            self.plans,
            self.configuration,
            self._labels,
            {"spacing": list(spacing_mm), **placement.properties},
            num_threads_torch=torch.get_num_threads(),
        )
        return mask
