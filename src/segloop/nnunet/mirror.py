"""Mirroring that knows left from right: the labels change sides with the image."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from torch import Tensor

from segloop.training.label_sets import LabelSets


class MirrorSides(BasicTransform):  # type: ignore[misc]
    """Flip each of `axes` with probability 1/2; along `left_right` the codes become those of the other side.

    Axes are those of the image without its channel. Codes below 0 (nnU-Net's padding) stay.
    """

    def __init__(
        self, axes: Sequence[int], left_right: int, table: LabelSets, mirrored: Mapping[int, int]
    ) -> None:
        super().__init__()
        self._axes, self._left_right = tuple(axes), left_right
        self._swap = torch.from_numpy(table.swapped(mirrored))

    def get_parameters(self, **data: Any) -> dict[str, Any]:
        """Draw the axes to flip."""
        return {"axes": [axis for axis in self._axes if torch.rand(1) < 0.5]}

    def _apply_to_image(self, img: Tensor, **params: Any) -> Tensor:
        return torch.flip(img, [axis + 1 for axis in params["axes"]]) if params["axes"] else img

    def _apply_to_segmentation(self, segmentation: Tensor, **params: Any) -> Tensor:
        flipped = self._apply_to_image(segmentation, **params)
        if self._left_right not in params["axes"]:
            return flipped
        sides = self._swap[flipped.clamp_min(0).long()].to(flipped.dtype)
        return torch.where(flipped < 0, flipped, sides)
