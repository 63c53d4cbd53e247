"""The outlines of a slice of a mask as closed polygons whose inside holds exactly the voxel centres of the mask."""

from typing import Any

import numpy as np
from contourpy import FillType, contour_generator
from numpy.typing import NDArray
from scipy.spatial import cKDTree

MOST_POINTS = 2400
"""Of one polygon: of 27 bytes each they fit into the 64 KiB that a value of numbers may have in explicit DICOM."""
Polygon = NDArray[np.float64]
"""Points (n, 2) in voxel indices of the slice, the first not repeated at the end."""


def trace(inside: NDArray[np.bool_]) -> list[Polygon]:
    """Return the outlines of a slice (x, y): halfway between the centres of voxels in and out, corners cut.

    Voxels that touch by a corner alone belong together. A hole is joined to its outline by a cut there and back
    ("keyhole"), for readers disagree about an outline within another. A polygon with too many points is cut in two along the
    edge of voxels.
    """
    found = _outlines(inside)
    if all(len(outline) + sum(len(hole) + 2 for hole in holes) <= MOST_POINTS for outline, holes in found):
        return [_with_holes(outline, holes) for outline, holes in found]
    axis = int(np.argmax(inside.shape))
    at = inside.shape[axis] // 2
    first, second = np.split(inside, [at], axis)
    shift = np.eye(2)[axis] * at
    return [*trace(first), *(polygon + shift for polygon in trace(second))]


def _outlines(inside: NDArray[np.bool_]) -> list[tuple[Polygon, list[Polygon]]]:
    """Return each outline with its holes, which turn the other way round."""
    padded = np.pad(inside, 1).astype(np.float64)
    tracer = contour_generator(z=padded.T, fill_type=FillType.OuterOffset)
    found = []
    points: Any
    for points, starts in zip(*tracer.filled(0.5, 2.0), strict=True):
        rings = [_simplify(ring[:-1] - 1) for ring in np.split(points, starts[1:-1])]
        found.append((rings[0], rings[1:]))
    return found


def _simplify(ring: Polygon) -> Polygon:
    """Leave out points within a straight line. All lie on a grid of half voxels, so that nothing is lost to rounding."""
    before, after = ring - np.roll(ring, 1, 0), np.roll(ring, -1, 0) - ring
    return ring[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]


def _with_holes(outline: Polygon, holes: list[Polygon]) -> Polygon:
    """Return one polygon of an outline and its holes, those nearest to it first."""
    for hole in sorted(holes, key=lambda ring: float(_nearest(outline, ring)[0].min())):
        at, start = _cut(outline, hole)
        turned = np.roll(hole, -start, 0)
        outline = np.concatenate([outline[: at + 1], turned, turned[:1], outline[at:]])
    return outline


def _cut(outline: Polygon, hole: Polygon) -> tuple[int, int]:
    """Return the places in both rings between which the cut is shortest and meets no voxel centre.

    Every point is half a voxel from two centres, along the first axis or along the second. From a point of one kind to a point of
    the other no line meets a centre: in half voxels it goes an odd way along both axes, so it alternates between the two kinds.
    """
    best = (np.inf, 0, 0)
    for axis in (0, 1):
        ours = np.flatnonzero(outline[:, axis] % 1 != 0)
        theirs = np.flatnonzero(hole[:, 1 - axis] % 1 != 0)
        distances, nearest = _nearest(outline[ours], hole[theirs])
        shortest = int(np.argmin(distances))
        best = min(best, (float(distances[shortest]), int(ours[nearest[shortest]]), int(theirs[shortest])))
    return best[1], best[2]


def _nearest(points: Polygon, asked: Polygon) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return how far each asked point is from the nearest of some points, and which that is."""
    distances, places = cKDTree(points).query(asked)
    return np.asarray(distances), np.asarray(places)
