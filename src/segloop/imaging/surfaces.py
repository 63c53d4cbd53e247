"""How far two surfaces lie apart: NSD and HD95 of a pair of binary masks.

A surface is made of *elements*: the voxel faces between inside and outside, each at its centre and weighted by its area
in mm2. Nikolov et al. (Clinically Applicable Segmentation of Head and Neck Anatomy for Radiotherapy, JMIR 2021;23(7):e26151)
define both measures on area-weighted elements from 2 x 2 x 2 neighbourhoods; faces are a simplification with the same
weighting, exact on anisotropic grids for axis-parallel surfaces. Slanted surfaces count larger, in both terms of NSD alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Mask = NDArray[np.bool_]
_Points = NDArray[np.float64]
MAX_ELEMENTS = 4_000_000
"""Surfaces of noise that have more elements than this are not measured."""


@dataclass(frozen=True)
class Agreement:
    """`nsd` from 0 to 1, `hd95_mm`; None where it isn't defined (no surface) or the surface is too large to measure."""

    nsd: float | None
    hd95_mm: float | None


@dataclass(frozen=True)
class _Elements:
    """One surface: its area that the other has too, and the elements and areas of the rest; and all elements."""

    shared_area: float
    own: _Points
    own_areas: NDArray[np.float64]
    every: _Points

    @property
    def area(self) -> float:
        return self.shared_area + float(self.own_areas.sum())


def agree(a: Mask, b: Mask, spacing_mm: Sequence[float], *, tolerance_mm: float) -> Agreement:
    """Measure two masks (x, y, z) of one grid: crop them to what they hold first, outside is background.

    NSD = area within `tolerance_mm` of the other surface, of both surfaces, by the area of both. HD95 = the larger of
    the two area-weighted 95th percentiles of the distance to the other surface. Elements that both have are at 0, so
    only what differs is searched. One surface missing: NSD 0, HD95 None; both: None.
    """
    first, second = _elements(a, b, spacing_mm)
    if first is None or second is None or not (len(first.every) or len(second.every)):
        return Agreement(None, None)
    if not (len(first.every) and len(second.every)):
        return Agreement(0.0, None)
    far = [_distances(one.own, other.every) for one, other in ((first, second), (second, first))]
    limit = tolerance_mm + 1e-9
    near = sum(
        one.shared_area + float(one.own_areas[distances <= limit].sum())
        for one, distances in zip((first, second), far, strict=True)
    )
    hd95 = max(_percentile95(one, distances) for one, distances in zip((first, second), far, strict=True))
    return Agreement(near / (first.area + second.area), hd95)


def _elements(a: Mask, b: Mask, spacing_mm: Sequence[float]) -> tuple[_Elements | None, _Elements | None]:
    """Return both surfaces, or None where they have too many elements."""
    a, b = np.pad(a, 1), np.pad(b, 1)
    volume = float(np.prod(spacing_mm))
    shared = 0.0
    parts: tuple[list[Any], ...] = ([], [], [], [], [], [])
    n_elements = 0
    for axis in range(3):
        area = volume / spacing_mm[axis]
        faces_a, faces_b = (np.diff(mask, axis=axis) for mask in (a, b))
        n_elements += int(max(np.count_nonzero(faces_a), np.count_nonzero(faces_b)))
        if n_elements > MAX_ELEMENTS:
            return None, None
        shared += area * np.count_nonzero(faces_a & faces_b)
        for n, faces in enumerate((faces_a & ~faces_b, faces_b & ~faces_a, faces_a, faces_b)):
            parts[n].append(_centres(faces, axis, spacing_mm))
        for n in (0, 1):
            parts[4 + n].append(np.full(len(parts[n][-1]), area))
    own_a, own_b, every_a, every_b, areas_a, areas_b = (np.concatenate(part) for part in parts)
    return _Elements(shared, own_a, areas_a, every_a), _Elements(shared, own_b, areas_b, every_b)


def _centres(faces: Mask, axis: int, spacing_mm: Sequence[float]) -> _Points:
    at = np.argwhere(faces).astype(np.float64)
    at[:, axis] += 0.5
    return at * np.asarray(spacing_mm)


def _distances(points: _Points, others: _Points) -> NDArray[np.float64]:
    if not len(points):
        return np.empty(0)
    distances, _ = KDTree(others, compact_nodes=False, balanced_tree=False).query(points)
    return np.asarray(distances, np.float64)


def _percentile95(surface: _Elements, distances: NDArray[np.float64]) -> float:
    order = np.argsort(distances)
    reached = surface.shared_area + np.cumsum(surface.own_areas[order])
    wanted = 0.95 * surface.area
    if surface.shared_area >= wanted * (1 - 1e-12):
        return 0.0
    at = min(int(np.searchsorted(reached, wanted * (1 - 1e-12))), len(order) - 1)
    return float(distances[order[at]])
