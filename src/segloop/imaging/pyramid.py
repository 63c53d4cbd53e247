"""Copies of a volume for the viewer: RAS order, x fastest, derived from the stored file and never the truth."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from segloop.imaging.geometry import Geometry, reorient

LEVELS = {0: 1, 1: 2, 2: 4}
"""Level to downsampling factor per axis."""
_SLAB_VOXELS = 1 << 22


def viewer_level(
    array: NDArray[np.generic], geometry: Geometry, *, level: int
) -> tuple[NDArray[np.generic], Geometry]:
    """Return one level of an (x, y, z) array in RAS order, level 0 as a view of it, and its grid.

    A lower level takes the nearest sample and covers exactly the field of view of the full volume: n' = ceil(n / f)
    voxels of n * s / n' mm, with the outer faces where they were.
    """
    array, geometry = reorient(array, geometry, "RAS")
    factor = LEVELS[level]
    return _shrink(array, geometry, factor) if factor > 1 else (array, geometry)


def slabs(view: NDArray[np.generic]) -> Iterator[bytes]:
    """Yield a level's bytes, x fastest, little-endian, some slices at a time; HU are rounded and clipped to int16."""
    depth = max(1, _SLAB_VOXELS // (view.shape[0] * view.shape[1]))
    for z in range(0, view.shape[2], depth):
        slab = view[:, :, z : z + depth]
        if np.issubdtype(slab.dtype, np.floating):
            slab = np.clip(np.rint(slab), -32768, 32767).astype(np.int16)
        yield slab.astype(slab.dtype.newbyteorder("<"), copy=False).tobytes(order="F")


def _shrink(
    array: NDArray[np.generic], geometry: Geometry, factor: int
) -> tuple[NDArray[np.generic], Geometry]:
    shape = tuple(-(-n // factor) for n in geometry.shape)
    # Each output voxel takes the nearest input sample of its centre in the common field of view.
    picks = [
        np.minimum(((np.arange(small) + 0.5) * large / small).astype(int), large - 1)
        for small, large in zip(shape, geometry.shape, strict=True)
    ]
    scale = np.array([large / small for small, large in zip(shape, geometry.shape, strict=True)])
    affine = geometry.affine.copy()
    affine[:3, 3] = geometry.affine[:3, :3] @ ((scale - 1) / 2) + geometry.affine[:3, 3]
    affine[:3, :3] = geometry.affine[:3, :3] * scale
    reversed_ = array.T  # as it lies in memory: each step copies whole runs
    for axis, pick in enumerate(reversed(picks)):
        reversed_ = reversed_[(slice(None),) * axis + (pick,)]
    return reversed_.T, Geometry((shape[0], shape[1], shape[2]), affine)
