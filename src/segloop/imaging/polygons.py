"""Polygons as voxels: a voxel is inside where its centre is, by the even-odd rule over all polygons of a slice."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CROSSINGS = 1 << 22
"""How many crossings of edges and rows are held at once."""


def fill(polygons: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which voxels (y, x) of a slice lie inside closed polygons, each (n, 2) of (x, y) in voxels.

    The centre of voxel (y, x) is the point (x, y). A polygon within another is a hole, and so is what a keyhole leaves out:
    the two edges of its channel cross each row at the very same place. A centre on an edge belongs to the polygon on whose
    low side the edge is, so that of two neighbours exactly one has it. What lies beyond the slice is cut off. Coordinates are
    finite.
    """
    n_rows, n_columns = shape
    # One column more, for crossings to the right of the last centre.
    flips: NDArray[np.int64] = np.zeros(n_rows * (n_columns + 1), np.int64)
    edges = [np.hstack([one, np.roll(one, -1, axis=0)]) for one in polygons if len(one)]
    every = np.concatenate(edges) if edges else np.empty((0, 4))
    step = max(1, _CROSSINGS // max(1, n_rows))
    for at in range(0, len(every), step):
        rows, columns = _crossings(every[at : at + step], n_rows, n_columns)
        flips += np.bincount(rows * (n_columns + 1) + columns, minlength=len(flips))
    odd = np.cumsum(flips.reshape(n_rows, n_columns + 1)[:, :-1], axis=1) & 1
    return odd.astype(bool)


def _crossings(edges: NDArray[np.float64], n_rows: int, n_columns: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the row and the first column to the right of each place where an edge (x, y, x, y) crosses a row of centres."""
    upward = edges[:, 1] <= edges[:, 3]
    low = np.where(upward[:, None], edges[:, :2], edges[:, 2:])
    high = np.where(upward[:, None], edges[:, 2:], edges[:, :2])
    # From the lower end, included, to the upper, excluded: so a row through a corner is crossed once.
    first = np.clip(np.ceil(low[:, 1]), 0, n_rows).astype(np.int64)
    counts = np.clip(np.ceil(high[:, 1]), 0, n_rows).astype(np.int64) - first
    low, high, first, counts = (part[counts > 0] for part in (low, high, first, counts))
    ends = np.cumsum(counts)
    rows = np.repeat(first - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)
    slopes = (high[:, 0] - low[:, 0]) / (high[:, 1] - low[:, 1])
    x = np.repeat(low[:, 0], counts) + (rows - np.repeat(low[:, 1], counts)) * np.repeat(slopes, counts)
    return rows, np.clip(np.ceil(x), 0, n_columns).astype(np.int64)
