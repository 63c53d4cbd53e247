"""nnU-Net's spline resampling as products with small matrices: the same numbers in a twentieth of the time.

`skimage.transform.resize`, which nnU-Net calls, is linear and treats each axis apart, so along an axis of n voxels it is
a matrix with a row for each of the m new ones. The matrices are what SciPy itself makes of unit impulses.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import torch
from nnunetv2.preprocessing.resampling.default_resampling import determine_do_sep_z_and_axis
from scipy import ndimage

SPLINE = "resample_data_or_seg_to_shape"
ROWS_OF_A_BAND = 16
NEGLIGIBLE = 1e-9
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Way:
    """How nnU-Net gets from one grid to another: spline order, and the axis that it treats apart (None for none).

    Along that axis the nearest slice is taken.
    """

    order: int
    apart: int | None


def find_way(name: str, options: dict[str, Any], current: list[float], wanted: list[float]) -> Way | None:
    """Return the way for a plans' resampling function with its options, or None where only nnU-Net's own code goes it.

    `current` and `wanted` are spacings in mm in the plans' axis order.
    """
    if name != SPLINE or options.get("is_seg") or options.get("order_z", 0) != 0:
        return None
    order = options.get("order", 3)
    if order not in (1, 3):
        return None
    threshold = {k: v for k, v in options.items() if k == "separate_z_anisotropy_threshold"}
    is_apart, axis = determine_do_sep_z_and_axis(
        options.get("force_separate_z", False), current, wanted, **threshold
    )
    return Way(order, int(axis) if is_apart and axis is not None else None)


def resample(image: torch.Tensor, shape: Shape, way: Way) -> torch.Tensor:
    """Return an image (three axes, float32) on another grid over the same extent; values stay within the image's range.

    As in skimage the range is that of what was resampled at once: the image, or each slice where an axis is apart.
    """
    if tuple(image.shape) == shape:
        return image
    if way.apart is not None:
        return _slice_by_slice(image, shape, way.order, way.apart)
    low, high = image.aminmax()
    for axis in order_of_axes(tuple(image.shape), shape):
        image = _along(image, axis, shape[axis], way.order)
    return image.clamp_(low, high)


def order_of_axes(old: Shape, new: Shape) -> list[int]:
    """Return the axes that change, those that shrink most first, so that later products have less to do."""
    changed = [axis for axis in range(len(old)) if old[axis] != new[axis]]
    return sorted(changed, key=lambda axis: new[axis] / old[axis])


def nearest(n: int, m: int) -> np.ndarray[Any, Any]:
    """Return which of n slices each of m new ones is, as SciPy's `map_coordinates` of order 0 picks it."""
    centres = n / m * (np.arange(m) + 0.5) - 0.5
    return np.clip(np.floor(centres + 0.5).astype(np.int64), 0, n - 1)


@lru_cache(maxsize=64)
def operator(n: int, m: int, order: int) -> torch.Tensor:
    """Return the (m, n) matrix that resamples n values to m, in float32; 64 of them are kept."""
    zoom: Any = ndimage.zoom
    columns = [zoom(impulse, m / n, order=order, mode="nearest", grid_mode=True) for impulse in np.eye(n)]
    matrix = np.stack(columns, axis=1)
    assert matrix.shape == (m, n), (matrix.shape, m, n)
    return torch.from_numpy(np.ascontiguousarray(matrix, dtype=np.float32))


@lru_cache(maxsize=64)
def bands(n: int, m: int, order: int) -> list[tuple[slice, slice, torch.Tensor]]:
    """Return `operator` in parts of some rows each: (rows, the columns that matter to them, that part of the matrix).

    A spline's weights fall off to a quarter from one voxel to the next; what is left out is below the rounding of the sum.
    """
    matrix, found = operator(n, m, order), []
    for start in range(0, m, ROWS_OF_A_BAND):
        rows = slice(start, min(start + ROWS_OF_A_BAND, m))
        there = (matrix[rows].abs() > NEGLIGIBLE).any(0).nonzero()[:, 0]
        columns = slice(int(there[0]), int(there[-1]) + 1)
        found.append((rows, columns, matrix[rows, columns].contiguous()))
    return found


def _along(image: torch.Tensor, axis: int, m: int, order: int) -> torch.Tensor:
    n = image.shape[axis]
    if image.device.type != "cpu":  # there one large product is quicker than many small ones
        parts = [(slice(None), slice(None), operator(n, m, order).to(image.device))]
    else:
        parts = bands(n, m, order)
    shape = [*image.shape[:axis], m, *image.shape[axis + 1 :]]
    found = image.new_empty(shape)
    for rows, columns, part in parts:
        if axis == 2:
            found[..., rows] = image[..., columns] @ part.T
        elif axis == 1:
            found[:, rows] = part @ image[:, columns]
        else:
            torch.mm(part, image[columns].flatten(1), out=found[rows].view(len(part), -1))
    return found


def _slice_by_slice(image: torch.Tensor, shape: Shape, order: int, apart: int) -> torch.Tensor:
    others = tuple(axis for axis in range(3) if axis != apart)
    low, high = image.amin(others, keepdim=True), image.amax(others, keepdim=True)
    for axis in order_of_axes(tuple(image.shape), shape):
        if axis != apart:
            image = _along(image, axis, shape[axis], order)
    image = torch.minimum(torch.maximum(image, low), high)
    if image.shape[apart] == shape[apart]:
        return image
    picked = torch.from_numpy(nearest(image.shape[apart], shape[apart])).to(image.device)
    return image.index_select(apart, picked)


def peak_bytes(old: Shape, new: Shape) -> int:
    """Return the most that `resample` holds at once, both images counted."""
    shape, peak = list(old), 4 * prod(old)
    for axis in order_of_axes(old, new):
        before = prod(shape)
        shape[axis] = new[axis]
        peak = max(peak, 4 * (before + prod(shape)))
    return peak
