"""Where two masks disagree: connected pieces in which one says this label and the other that one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.unsignedinteger[Any]]
Box = tuple[slice, ...]
_MAX_SEARCHED_VOXELS = 300_000_000


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

    Pairs of labels are taken by size, and the rest is left where no piece of it can be among the largest. In noise,
    where dozens of pairs fill the whole volume, the search ends early, and smaller pieces than the largest may come.
    """
    found: list[Piece] = []
    budget = _MAX_SEARCHED_VOXELS
    for label_a, label_b, n_voxels, box in _pairs(a, b, differ):
        if len(found) >= limit and n_voxels <= found[limit - 1].voxels:
            break
        budget -= int(np.prod([part.stop - part.start for part in box], dtype=np.int64))
        if budget < 0 and found:
            break
        where = differ[box] & (a[box] == label_a) & (b[box] == label_b)
        found += _split(where, box, label_a, label_b, spacing_mm, limit)
        found = sorted(found, key=lambda piece: -piece.voxels)[:limit]
    return found


def _split(
    where: NDArray[np.bool_], box: Box, label_a: int, label_b: int, spacing_mm: Sequence[float], limit: int
) -> list[Piece]:
    """Return the largest connected pieces of `where`, which lies at `box`."""
    numbered, _ = ndimage.label(where)
    sizes = np.bincount(numbered.ravel(order="K"))
    sizes[0] = 0
    chosen = np.argsort(sizes, kind="stable")[::-1][:limit]
    chosen = chosen[sizes[chosen] > 0]
    # Only the chosen keep a number: noise has millions of pieces, and each would get a box.
    renumber = np.zeros(len(sizes), np.int32)
    renumber[chosen] = np.arange(1, len(chosen) + 1)
    kept = renumber[numbered]
    pieces = []
    for number, spot in enumerate(ndimage.find_objects(kept), start=1):
        inside = _middle(kept[spot] == number, spacing_mm)
        x, y, z = (int(i + s.start + o.start) for i, s, o in zip(inside, spot, box, strict=True))
        pieces.append(Piece(label_a, label_b, int(sizes[chosen[number - 1]]), (x, y, z)))
    return pieces


def _pairs(a: Labels, b: Labels, differ: NDArray[np.bool_]) -> list[tuple[int, int, int, Box]]:
    """Return (label_a, label_b, voxels, box) of each pair that occurs, the most frequent first."""
    # Transposed, because arrays are x fastest and NumPy walks the last axis fastest.
    spots = ndimage.find_objects(differ.T.view(np.uint8))
    if not spots:
        return []
    outer = spots[0]
    where = differ.T[outer]
    codes = a.T[outer][where].astype(np.uint32) << 16 | b.T[outer][where]
    pairs, numbers, counts = np.unique(codes, return_inverse=True, return_counts=True)
    numbered = np.zeros(where.shape, np.int32)
    numbered[where] = numbers + 1
    boxes = [_shifted(box, outer)[::-1] for box in ndimage.find_objects(numbered)]
    return [
        (int(pairs[n]) >> 16, int(pairs[n]) & 0xFFFF, int(counts[n]), boxes[n])
        for n in np.argsort(counts, kind="stable")[::-1]
    ]


def _shifted(box: Box, outer: Box) -> Box:
    """Return a box inside another in the coordinates that the outer one is stated in."""
    return tuple(slice(own.start + by.start, own.stop + by.start) for own, by in zip(box, outer, strict=True))


def _middle(piece: NDArray[np.bool_], spacing_mm: Sequence[float]) -> NDArray[np.int64]:
    """Return the piece's voxel that is nearest to its centre of mass."""
    at = np.argwhere(piece)
    away = ((at - at.mean(axis=0)) * np.asarray(spacing_mm)) ** 2
    return at[int(np.argmin(away.sum(axis=1)))]
