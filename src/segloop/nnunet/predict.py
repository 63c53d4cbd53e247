"""Prediction in this process with nnU-Net's own arithmetic: no command line, no child processes, no prints."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.export_prediction import (
    convert_predicted_logits_to_segmentation_with_correct_shape,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.preprocessing.preprocessors.default_preprocessor import (
    DefaultPreprocessor,
)
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray

from segloop.errors import InvalidInput, Unavailable
from segloop.imaging.geometry import Geometry, reorient
from segloop.nnunet import bundle, memory
from segloop.nnunet.plans import build_network

Progress = Callable[[str, float], None]
Mask = NDArray[np.uint8] | NDArray[np.uint16]


class Cancelled(Exception):
    """Raised between two tiles when `cancelled()` says so."""


class Predictor:
    """One model version, warm in memory; one prediction at a time.

    Profile `exact`: nnU-Net's step size 0.5 with Gaussian weighting, all folds averaged, no mirroring.
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
        self._plans = PlansManager(info.plans)
        self._network = build_network(
            info.plans,
            info.configuration,
            n_channels=1,
            n_classes=max(label["index"] for label in info.labels) + 1,
        )
        for (
            state
        ) in weights:  # strict: a weight too many or too few is an error now, not a strange mask later
            self._network.load_state_dict(state, strict=True)
        self._weights = weights
        self._network.to(device).eval()
        self.memory_bytes = sum(t.numel() * t.element_size() for state in weights for t in state.values())

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto", threads: int = 0) -> "Predictor":
        """Load a bundle folder onto "cpu", "cuda" or what there is; `threads` > 0 bounds the CPU's threads.

        Raises:
            InvalidInput: `model_incomplete` or `model_unsafe`.
            Unavailable: `device_unavailable` when a GPU is asked for and there is none.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise Unavailable(
                "device_unavailable",
                "This worker was told to use a GPU and finds none.",
            )
        if threads > 0:
            torch.set_num_threads(threads)
        info = bundle.read_bundle(folder)
        try:
            return cls(
                info,
                [bundle.load_weights(folder, fold) for fold in info.folds],
                torch.device(device),
            )
        except RuntimeError as error:
            raise InvalidInput("model_incomplete", "The model's weights do not fit its plans.") from error

    def require_room(self, geometry: Geometry, available: int) -> None:
        """Check that a volume on this grid can be predicted with `available` bytes of memory, before any work on it.

        Raises:
            InvalidInput: `volume_too_large`, with both amounts; `volume_too_small`.
        """
        memory.require_room(geometry, self.info, available)

    def predict(
        self,
        volume: NDArray[Any],
        geometry: Geometry,
        *,
        progress: Progress = lambda stage, fraction: None,
        cancelled: Callable[[], bool] = lambda: False,
        available: Callable[[], int] = memory.available_bytes,
    ) -> Mask:
        """Return the mask of a volume (x, y, z) in HU, on exactly the volume's grid and in its index order.

        `available` says how many bytes of memory are free beside the volume, which is there already.

        Raises:
            InvalidInput: `not_finite`; `mask_grid` when shape and geometry disagree; as `require_room`.
            Cancelled: between two tiles.
        """
        if volume.shape != geometry.shape:
            raise InvalidInput(
                "mask_grid",
                f"The volume has shape {volume.shape} and its grid {geometry.shape}.",
            )
        self.require_room(geometry, available() + volume.nbytes)
        if not np.isfinite(volume).all():
            raise InvalidInput(
                "not_finite",
                "The volume holds NaN or infinite voxels; export it again.",
            )
        memory.require_content(volume, geometry, self.info)
        turned, grid = reorient(volume, geometry, self.info.orientation)
        with self._lock, _threads_kept():
            progress("preprocessing", 0.0)
            # The one place where (x, y, z) becomes nnU-Net's (z, y, x).
            mask_zyx = self._predict_zyx(
                turned.transpose(2, 1, 0)[None],
                grid.spacing_mm[::-1],
                progress,
                cancelled,
            )
        mask, back = reorient(mask_zyx.transpose(2, 1, 0), grid, geometry.orientation)
        if not back.same_grid(geometry):
            raise AssertionError("a mask must come back on its volume's grid")
        return np.asfortranarray(mask)

    def _predict_zyx(
        self,
        image: NDArray[Any],
        spacing: tuple[float, ...],
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> Mask:
        configuration = self._plans.get_configuration(self.info.configuration)
        properties: dict[str, Any] = {"spacing": list(spacing)}
        data, _, properties = DefaultPreprocessor(verbose=False).run_case_npy(
            image, None, properties, self._plans, configuration, self.info.dataset
        )
        tiles = _Tiles(progress, cancelled, n_folds=len(self._weights))
        labels = self._plans.get_label_manager(self.info.dataset)
        fits = memory.accumulators_fit(self.device, labels.num_segmentation_heads, data.shape[1:])
        predictor = _TiledPredictor(tiles, self.device, on_device=fits)
        predictor.manual_initialization(
            self._network,
            self._plans,
            configuration,
            self._weights,
            self.info.dataset,
            "nnUNetTrainer",
            None,
        )
        logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data))
        progress("exporting", 0.9)
        if cancelled():
            raise Cancelled
        mask: Mask = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits,
            self._plans,
            configuration,
            labels,
            properties,
            num_threads_torch=torch.get_num_threads(),
        )
        return mask


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Restore torch's number of threads, which nnU-Net changes and leaves changed when a prediction is cancelled."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Tiles:
    """Counts tiles over all folds, reports them, and stops between two."""

    def __init__(self, progress: Progress, cancelled: Callable[[], bool], *, n_folds: int) -> None:
        self._progress, self._cancelled, self._n_folds = progress, cancelled, n_folds
        self._done = 0

    def next(self, n_tiles: int) -> None:
        """Note that the next tile begins."""
        if self._cancelled():
            raise Cancelled
        self._progress("predicting", 0.05 + 0.85 * self._done / (n_tiles * self._n_folds))
        self._done += 1


class _TiledPredictor(nnUNetPredictor):  # type: ignore[misc]
    """nnU-Net's predictor whose loop over tiles can be watched and stopped.

    nnU-Net's own loop feeds tiles from a thread that would wait for ever when the loop is left early.
    Order and precision of the sums are those of nnU-Net: half-precision accumulators, tile by tile.
    """

    def __init__(self, tiles: _Tiles, device: torch.device, *, on_device: bool) -> None:
        # On a CPU the constructor prints that it is one; nothing else in it can fail or speak.
        with redirect_stdout(io.StringIO()):
            super().__init__(
                tile_step_size=0.5,
                use_gaussian=True,
                use_mirroring=False,
                perform_everything_on_device=on_device,
                device=device,
                verbose=False,
                allow_tqdm=False,
            )
        self._tiles = tiles

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _internal_predict_sliding_window_return_logits(
        self, data: torch.Tensor, slicers: list[Any], do_on_device: bool = True
    ) -> torch.Tensor:
        results = self.device if do_on_device else torch.device("cpu")
        data = data.to(results)
        n_classes = self.label_manager.num_segmentation_heads
        logits = torch.zeros((n_classes, *data.shape[1:]), dtype=torch.half, device=results)
        weights = torch.zeros(data.shape[1:], dtype=torch.half, device=results)
        gaussian = compute_gaussian(
            tuple(self.configuration_manager.patch_size),
            sigma_scale=1.0 / 8,
            value_scaling_factor=10,
            device=results,
        )
        for tile in slicers:
            self._tiles.next(len(slicers))
            patch = torch.clone(data[tile][None], memory_format=torch.contiguous_format).to(self.device)
            prediction = self._internal_maybe_mirror_and_predict(patch)[0].to(results)
            prediction *= gaussian
            logits[tile] += prediction
            weights[tile[1:]] += gaussian
        torch.div(logits, weights, out=logits)
        # Class by class: over all at once, the check would need more memory than the prediction.
        if any(bool(torch.isinf(of_class).any()) for of_class in logits):
            raise InvalidInput(
                "prediction_overflow",
                "The network's outputs overflow; the model can't be used here.",
            )
        return logits
