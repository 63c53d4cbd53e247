"""Segments and structures of an imported object painted onto one grid, where no voxel may belong to two labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segloop.errors import InvalidInput

MOST = 65_535
_MOST_NAMED = 5


class Canvas:
    """A grid of (z, y, x) on which numbered structures are painted, each voxel with the one that has it.

    Structures that become one label may share voxels.
    """

    def __init__(self, shape: tuple[int, int, int], labels: Mapping[int, int]) -> None:
        """Begin empty on a grid (x, y, z); `labels` are the label indices by the structures' numbers, from 1."""
        self._owner: NDArray[np.uint16] = np.zeros(shape[::-1], np.uint16)
        self._label: NDArray[np.uint16] = np.zeros(max(labels, default=0) + 1, np.uint16)
        for number, index in labels.items():
            self._label[number] = index
        self._shared: dict[tuple[int, int], int] = {}
        self.found: set[int] = set()

    def paint(self, number: int, z: int, rows: slice, columns: slice, where: NDArray[np.bool_]) -> None:
        """Give the voxels of slice z that are True in `where` (y, x of the window) to a structure."""
        if not where.any():
            return
        self.found.add(number)
        window = self._owner[z, rows, columns]
        taken = window[where]
        if taken.any():
            others, counts = np.unique(taken[taken > 0], return_counts=True)
            for other, count in zip(others.tolist(), counts.tolist(), strict=True):
                if self._label[other] != self._label[number]:
                    pair = (min(other, number), max(other, number))
                    self._shared[pair] = self._shared.get(pair, 0) + count
        window[where] = number

    def finish(self, names: Mapping[int, str]) -> NDArray[Any]:
        """Return the label of each voxel (x, y, z).

        Raises:
            InvalidInput: `mask_overlap`, naming the structures that share voxels.
        """
        if self._shared:
            most = sorted(self._shared.items(), key=lambda item: -item[1])[:_MOST_NAMED]
            pairs = [[names[one], names[other]] for (one, other), _ in most]
            words = "; ".join(
                f"{one} and {other} ({count} voxels)"
                for (one, other), (_, count) in zip(pairs, most, strict=True)
            )
            raise InvalidInput(
                "mask_overlap",
                f"Structures of this file share voxels, and a voxel has one label here: {words}. Leave one of them out, or "
                "let both be the same label (label_map).",
                pairs=pairs,
            )
        narrow = np.dtype(np.uint8 if self._label.max(initial=0) < 256 else np.uint16)
        return self._label.astype(narrow)[self._owner].transpose(2, 1, 0)
