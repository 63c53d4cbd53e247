"""How two masks of one grid differ, label by label; sources of formulas are beside them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segloop.imaging.labels import LabelSet

_N_VALUES = 1 << 16
_CHUNK_VOXELS = 1 << 20


def differences(
    before: NDArray[np.integer[Any]], after: NDArray[np.integer[Any]], labels: LabelSet
) -> list[dict[str, Any]]:
    """Return for each label the voxels that were added and removed, and the Dice of both arrays (None if both lack it).

    Both are flat and of one order. Dice = 2 |A and B| / (|A| + |B|).
    """
    added, removed, had = (np.zeros(_N_VALUES, np.int64) for _ in range(3))
    for at in range(0, before.size, _CHUNK_VOXELS):
        old, new = before[at : at + _CHUNK_VOXELS], after[at : at + _CHUNK_VOXELS]
        changed = old != new
        for counts, values in ((added, new[changed]), (removed, old[changed]), (had, old)):
            found = np.bincount(values)
            counts[: len(found)] += found
    sizes = 2 * had + added - removed
    return [
        {
            "index": label.index,
            "name": label.name,
            "voxels_added": int(added[label.index]),
            "voxels_removed": int(removed[label.index]),
            "dice": float(2 * (had - removed)[label.index] / sizes[label.index])
            if sizes[label.index]
            else None,
        }
        for label in labels.labels
    ]
