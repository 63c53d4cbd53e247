"""Where two masks disagree: connected pieces in which one says this label and the other that one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.unsignedinteger[Any]]
Box = tuple[slice, ...]


@dataclass(frozen=True)
class Piece:
    """One piece (6-connected): its labels, size, and a voxel of it (x, y, z) near its middle."""

    label_a: int
    label_b: int
    voxels: int
    centre: tuple[int, int, int]


def largest(
    a: Labels, b: Labels, differ: NDArray[np.bool_], spacing_mm: Sequence[float], *, limit: int = 50
) -> list[Piece]:
    """Return the `limit` largest pieces of `differ` (x, y, z), in each of which both masks hold one label; largest first.

    Pairs of labels are taken by size, and the rest is left where no piece of it can be among the largest.
    """
    found: list[Piece] = []
    for label_a, label_b, n_voxels, box in _pairs(a, b, differ):
        if len(found) >= limit and n_voxels <= found[limit - 1].voxels:
            break
        where = differ[box] & (a[box] == label_a) & (b[box] == label_b)
        pieces, _ = ndimage.label(where)
        sizes = np.bincount(pieces.ravel(order="K"))
        sizes[0] = 0
        spots = ndimage.find_objects(pieces)
        for number in np.argsort(sizes, kind="stable")[::-1][:limit]:
            if not sizes[number]:
                break
            spot = spots[number - 1]
            inside = _middle(pieces[spot] == number, spacing_mm)
            centre = [int(i + s.start + o.start) for i, s, o in zip(inside, spot, box, strict=True)]
            place = (centre[0], centre[1], centre[2])
            found.append(Piece(label_a, label_b, int(sizes[number]), place))
        found = sorted(found, key=lambda piece: -piece.voxels)[:limit]
    return found


def _pairs(a: Labels, b: Labels, differ: NDArray[np.bool_]) -> list[tuple[int, int, int, Box]]:
    """Return (label_a, label_b, voxels, box) of each pair that occurs, the most frequent first."""
    if not differ.any():
        return []
    codes = a[differ].astype(np.uint32) << 16 | b[differ]
    pairs, numbers, counts = np.unique(codes, return_inverse=True, return_counts=True)
    numbered = np.zeros(differ.shape, np.int32, order="F")
    numbered[differ] = numbers + 1
    boxes = ndimage.find_objects(numbered)
    return [
        (int(pairs[n]) >> 16, int(pairs[n]) & 0xFFFF, int(counts[n]), boxes[n])
        for n in np.argsort(counts, kind="stable")[::-1]
    ]


def _middle(piece: NDArray[np.bool_], spacing_mm: Sequence[float]) -> NDArray[np.int64]:
    """Return the piece's voxel that is nearest to its centre of mass."""
    at = np.argwhere(piece)
    away = ((at - at.mean(axis=0)) * np.asarray(spacing_mm)) ** 2
    return at[int(np.argmin(away.sum(axis=1)))]
