"""Editing tools on one label's mask (x, y, z) in RAS order; each returns a new mask of the same shape."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segloop.errors import InvalidInput

Mask = NDArray[np.bool_]
AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
"""The axis across a plane's slices."""


def keep_islands(mask: Mask, *, min_voxels: int | None) -> Mask:
    """Keep the 6-connected pieces of at least `min_voxels`, or only the largest one where None."""
    numbered, n = ndimage.label(mask)
    if n == 0:
        return mask.copy()
    sizes = np.bincount(numbered.ravel(order="K"))
    sizes[0] = 0
    keep = sizes >= min_voxels if min_voxels is not None else np.arange(len(sizes)) == int(np.argmax(sizes))
    keep[0] = False
    return keep[numbered]


def fill_holes(mask: Mask, *, plane: str | None) -> Mask:
    """Fill what the mask encloses: in space, or in each slice of a plane."""
    if plane is None:
        return np.asarray(ndimage.binary_fill_holes(mask), np.bool_)
    return np.asarray(ndimage.binary_fill_holes(mask, _cross(AXES[plane])), np.bool_)


def smooth(mask: Mask, spacing_mm: Sequence[float], *, radius_mm: float) -> Mask:
    """Smooth a mask by a Gaussian of standard deviation `radius_mm` and cut it at one half."""
    sigma = [radius_mm / step for step in spacing_mm]
    return np.asarray(ndimage.gaussian_filter(mask.astype(np.float32), sigma, truncate=3.0) > 0.5)


def grow(
    hu: NDArray[np.int16],
    seed: Sequence[int],
    spacing_mm: Sequence[float],
    *,
    low_hu: float,
    high_hu: float,
    radius_mm: float,
) -> Mask:
    """Return the 6-connected region around `seed` with values from `low_hu` to `high_hu`, within `radius_mm`.

    Raises:
        InvalidInput: `seed_outside` when the seed's own value is not in the range.
    """
    away = [((np.arange(n) - at) * step) ** 2 for n, at, step in zip(hu.shape, seed, spacing_mm, strict=True)]
    near = away[0][:, None, None] + away[1][None, :, None] + away[2][None, None, :] <= radius_mm**2
    fits = near & (hu >= low_hu) & (hu <= high_hu)
    numbered, _ = ndimage.label(fits)
    number = numbered[tuple(seed)]
    if not number:
        raise InvalidInput(
            "seed_outside", "The value where you clicked is not in the range; widen it, or click elsewhere."
        )
    return np.asarray(numbered == number)


def interpolate(mask: Mask, spacing_mm: Sequence[float], *, plane: str, slices: Sequence[int] | None) -> Mask:
    """Interpolate between slices of a plane by their signed distances (shape-based: Raya and Udupa 1990).

    Between each two neighbours of `slices` everything is replaced; None takes the slices that hold the mask, so that
    only gaps are filled. Where one of two neighbours is empty, nothing changes between them.
    """
    axis = AXES[plane]
    result = mask.copy()
    stack, out = np.moveaxis(mask, axis, 0), np.moveaxis(result, axis, 0)
    sampling = [step for n, step in enumerate(spacing_mm) if n != axis]
    filled = np.flatnonzero(stack.any(axis=(1, 2)))
    known = filled if slices is None else np.unique(np.asarray(slices, np.int64))
    for first, last in pairwise(known.tolist()):
        if last - first < 2 or not (stack[first].any() and stack[last].any()):
            continue
        start, stop = _signed_distance(stack[first], sampling), _signed_distance(stack[last], sampling)
        for at in range(first + 1, last):
            share = (at - first) / (last - first)
            out[at] = (1 - share) * start + share * stop > 0
    return result


def _signed_distance(outline: Mask, sampling: Sequence[float]) -> NDArray[np.float64]:
    """Return the distance to the outline in mm, positive inside; the border itself lies half way between voxels."""
    padded = np.pad(outline, 1)
    inside: Any = ndimage.distance_transform_edt(padded, sampling=sampling)
    outside: Any = ndimage.distance_transform_edt(~padded, sampling=sampling)
    signed: NDArray[np.float64] = np.asarray(inside - outside)[1:-1, 1:-1]
    return signed


def _cross(axis: int) -> Mask:
    """Return the neighbours of a voxel within a slice across `axis`."""
    structure = ndimage.generate_binary_structure(3, 1)
    for end in (0, 2):
        structure[tuple(end if n == axis else slice(None) for n in range(3))] = False
    return np.asarray(structure, np.bool_)
