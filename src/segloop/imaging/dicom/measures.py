"""How large each label of a mask is, and how dense the CT is within it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segloop.imaging.geometry import Geometry
from segloop.imaging.labels import Label


@dataclass(frozen=True)
class Measure:
    """A label's volume, and mean and standard deviation of its voxels in HU (of all of them, not of a sample)."""

    label: Label
    n_voxels: int
    volume_ml: float
    mean_hu: float
    sd_hu: float


def measure(
    hu: NDArray[Any], mask: NDArray[np.integer[Any]], labels: Sequence[Label], geometry: Geometry
) -> tuple[list[Measure], list[Label]]:
    """Return the measures of the labels that are in a mask (x, y, z), in their order, and the labels that are not."""
    size = max([int(mask.max()), *(label.index for label in labels)]) + 1
    counts, sums, squares = np.zeros(size, np.int64), np.zeros(size), np.zeros(size)
    for z in range(mask.shape[2]):
        where, values = mask[:, :, z].ravel(), hu[:, :, z].ravel().astype(np.float64)
        counts += np.bincount(where, minlength=size)
        sums += np.bincount(where, values, size)
        squares += np.bincount(where, values * values, size)
    found, missing = [], []
    for label in labels:
        n = int(counts[label.index])
        if not n:
            missing.append(label)
            continue
        mean = sums[label.index] / n
        spread = float(np.sqrt(max(squares[label.index] / n - mean * mean, 0.0)))
        found.append(Measure(label, n, n * geometry.voxel_volume_mm3 / 1000, float(mean), spread))
    return found, missing
