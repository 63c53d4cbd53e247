"""Training patches from cases held in memory: one resampling does crop, rotation, scaling and mirroring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_FOREGROUND = 0.6  # share of patches centred on a voxel of a random class


@dataclass(frozen=True)
class Case:
    """A preprocessed case: data (1, 1, z, y, x) float32, seg alike in float32, and voxels (n, 3) per class."""

    data: Tensor
    seg: Tensor
    voxels: dict[int, Tensor]
    share: float  # relative frequency in training


def load_case(file: Path, share: float) -> Case:
    """Read what `cases.preprocess` wrote."""
    with np.load(file) as arrays:
        data, seg = arrays["data"].astype(np.float32), arrays["seg"]
    voxels = {int(k): torch.from_numpy(np.argwhere(seg == k)) for k in np.unique(seg) if k > 0}
    return Case(
        torch.from_numpy(data)[None, None],
        torch.from_numpy(seg.astype(np.float32))[None, None],
        voxels,
        share,
    )


class PatchSource:
    """Endless augmented batches, reproducible from one generator whose state can be saved."""

    def __init__(
        self,
        cases: Sequence[Case],
        patch: tuple[int, int, int],
        spacing_mm: Sequence[float],
        mirror_pairs: dict[int, int],
        seed: int,
    ) -> None:
        """`spacing_mm` is (z, y, x); `mirror_pairs` names the classes to swap when left and right are mirrored."""
        self._cases, self._patch, self._spacing = (
            list(cases),
            patch,
            torch.tensor(spacing_mm, dtype=torch.float32),
        )
        self._shares = torch.tensor([case.share for case in cases])
        swap = torch.arange(256)
        for a, b in mirror_pairs.items():
            swap[a], swap[b] = b, a
        self._swap = swap
        self.generator = torch.Generator().manual_seed(seed)

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        """Data (n, 1, z, y, x) float32 and labels (n, 1, z, y, x) int64."""
        data, seg = zip(*(self._sample() for _ in range(size)), strict=True)
        return torch.cat(data), torch.cat(seg)

    def _sample(self) -> tuple[Tensor, Tensor]:
        case = self._cases[int(torch.multinomial(self._shares, 1, generator=self.generator))]
        mirrored = self._chance(0.5)
        grid = self._grid(case, mirrored)
        data = functional.grid_sample(case.data, grid, mode="bilinear", align_corners=True)
        seg = functional.grid_sample(case.seg, grid, mode="nearest", align_corners=True).long()
        return self._intensity(data), self._swap[seg] if mirrored else seg

    def _grid(self, case: Case, mirrored: bool) -> Tensor:
        """Sampling grid (1, z, y, x, 3) for grid_sample: outside the case it reads 0, as nnU-Net pads."""
        size = torch.tensor(case.data.shape[2:], dtype=torch.float32)
        patch = torch.tensor(self._patch, dtype=torch.float32)
        matrix = self._rotation_and_scale() if self._chance(0.6) else torch.eye(3)
        matrix = torch.diag(1 / self._spacing) @ matrix @ torch.diag(self._spacing)
        if mirrored:
            matrix = matrix @ torch.diag(torch.tensor([1.0, 1.0, -1.0]))
        steps = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in self._patch]
        offsets = torch.stack(torch.meshgrid(*steps, indexing="ij"), -1) @ matrix.T
        unit = 2 * (offsets + self._centre(case, size, patch)) / (size - 1) - 1
        return unit.flip(-1)[None]  # grid_sample wants x, y, z

    def _centre(self, case: Case, size: Tensor, patch: Tensor) -> Tensor:
        """Centre of a patch (z, y, x) in voxels; a patch that fits stays inside the case."""
        low, high = (patch - 1) / 2, size - 1 - (patch - 1) / 2
        fits = high >= low
        middle = (size - 1) / 2
        if case.voxels and self._chance(_FOREGROUND):
            classes = sorted(case.voxels)
            voxels = case.voxels[classes[self._integer(len(classes))]]
            centre = voxels[self._integer(len(voxels))].float() + (self._uniform(3) - 0.5) * patch / 2
        else:
            centre = low + self._uniform(3) * (high - low)
        return torch.where(fits, torch.minimum(torch.maximum(centre, low), high), middle)

    def _rotation_and_scale(self) -> Tensor:
        """Random small rotation about each axis (15 degrees at most) times a scale of 0.85 to 1.18."""
        angles = (self._uniform(3) - 0.5) * 2 * (15 * torch.pi / 180)
        matrix = torch.eye(3)
        for axis, angle in enumerate(angles):
            a, b = [i for i in range(3) if i != axis]
            turn = torch.eye(3)
            turn[a, a] = turn[b, b] = torch.cos(angle)
            turn[a, b], turn[b, a] = -torch.sin(angle), torch.sin(angle)
            matrix = matrix @ turn
        return matrix * torch.exp((self._uniform(1) - 0.5) * 0.33)

    def _intensity(self, data: Tensor) -> Tensor:
        """Contrast, offset, and now and then noise or blur."""
        data = data * (0.85 + 0.3 * self._uniform(1)) + (self._uniform(1) - 0.5) * 0.3
        if self._chance(0.2):
            data = data + torch.randn(data.shape, generator=self.generator) * 0.15 * self._uniform(1)
        if self._chance(0.15):
            data = functional.avg_pool3d(data, 3, stride=1, padding=1, count_include_pad=False)
        return data

    def _uniform(self, n: int) -> Tensor:
        return torch.rand(n, generator=self.generator)

    def _chance(self, probability: float) -> bool:
        return float(self._uniform(1)) < probability

    def _integer(self, n: int) -> int:
        return int(torch.randint(n, (1,), generator=self.generator))
