"""nnU-Net's sliding window: its tiles, its order of sums and its precision, in a loop that can be watched and stopped.

nnU-Net's own loop feeds tiles from a thread that would wait for ever when the loop is left early.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import combinations
from itertools import product as every
from typing import Any

import torch
from acvl_utils.cropping_and_padding.padding import pad_nd_image
from nnunetv2.inference.sliding_window_prediction import (
    compute_gaussian,
    compute_steps_for_sliding_window,
)

from segloop.errors import InvalidInput

TILE_STEP = 0.5
"""From tile to tile, as a share of the patch: nnU-Net's own."""
Network = Callable[[torch.Tensor], torch.Tensor]
"""From a batch of patches (1, channels, *patch) on its device to logits (1, classes, *patch) there."""


@dataclass(frozen=True)
class Window:
    """How an image is cut into patches and their outputs are put together.

    `patch_size` has two axes for a 2D model, whose tiles are slices of the first axis. `device` is the network's;
    `mirroring_axes` are axes of the patch along which outputs of mirrored patches are averaged, none for no mirroring.
    """

    patch_size: tuple[int, ...]
    n_classes: int
    device: torch.device
    mirroring_axes: tuple[int, ...] = ()

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def logits(
        self,
        networks: Iterable[Network],
        image: torch.Tensor,
        *,
        n_networks: int,
        kept_on: torch.device,
        step: Callable[[float], None],
    ) -> torch.Tensor:
        """Return the networks' mean logits in half precision (classes, three axes) for an image (1, three axes).

        The sums lie on `kept_on`; where there are several networks, their mean lies in main memory, as with nnU-Net. `step`
        is told the share that is done, before each tile, and may raise.

        Raises:
            InvalidInput: `prediction_overflow`.
        """
        padded, inside = pad_nd_image(image, self.patch_size, "constant", {"value": 0}, True, None)
        padded = padded.to(kept_on)
        tiles = self._tiles(tuple(padded.shape[1:]))
        mean: torch.Tensor | None = None
        for index, network in enumerate(networks):
            found = self._of_one(
                network,
                padded,
                tiles,
                lambda done, index=index: step((index + done) / n_networks),  # type: ignore[misc]
            )[(slice(None), *inside[1:])]
            found = found.cpu() if n_networks > 1 else found
            mean = found if mean is None else mean.add_(found)
        assert mean is not None
        return mean.div_(n_networks) if n_networks > 1 else mean

    def _tiles(self, shape: tuple[int, ...]) -> list[tuple[Any, ...]]:
        starts = compute_steps_for_sliding_window(shape[-len(self.patch_size) :], self.patch_size, TILE_STEP)
        slices: list[Sequence[Any]] = [
            [slice(start, start + n) for start in along]
            for along, n in zip(starts, self.patch_size, strict=True)
        ]
        if len(self.patch_size) < len(shape):
            slices.insert(0, range(shape[0]))
        return [(slice(None), *tile) for tile in every(*slices)]

    def _of_one(
        self,
        network: Network,
        image: torch.Tensor,
        tiles: list[tuple[Any, ...]],
        step: Callable[[float], None],
    ) -> torch.Tensor:
        logits = torch.zeros((self.n_classes, *image.shape[1:]), dtype=torch.half, device=image.device)
        weights = torch.zeros(image.shape[1:], dtype=torch.half, device=image.device)
        gaussian = compute_gaussian(
            self.patch_size, sigma_scale=1.0 / 8, value_scaling_factor=10, device=image.device
        )
        with torch.autocast("cuda") if self.device.type == "cuda" else nullcontext():
            for done, tile in enumerate(tiles):
                step(done / len(tiles))
                patch = image[tile][None].clone(memory_format=torch.contiguous_format).to(self.device)
                outputs = self._mirrored(network, patch)[0].to(image.device)
                outputs *= gaussian
                logits[tile] += outputs
                weights[tile[1:]] += gaussian
        torch.div(logits, weights, out=logits)
        # Class by class: over all at once, the check would need more memory than the prediction.
        if not all(bool(torch.isfinite(of_class).all()) for of_class in logits):
            raise InvalidInput(
                "prediction_overflow",
                "The network's outputs overflow or are no numbers; the model can't be used here.",
            )
        return logits

    def _mirrored(self, network: Network, patch: torch.Tensor) -> torch.Tensor:
        outputs = network(patch)
        axes = [axis + 2 for axis in self.mirroring_axes]
        turns = [turn for n in range(1, len(axes) + 1) for turn in combinations(axes, n)]
        for turn in turns:
            outputs += torch.flip(network(torch.flip(patch, turn)), turn)
        if turns:
            outputs /= len(turns) + 1
        return outputs
