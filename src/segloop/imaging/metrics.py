"""How two masks of one grid differ, label by label; sources of formulas are beside them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segloop.imaging.labels import LabelSet
from segloop.imaging.surfaces import agree

TOLERANCE_MM = 2.0
"""How far surfaces may lie apart and still agree: about what radiation oncologists differ by."""
_N_VALUES = 1 << 16
_CHUNK_VOXELS = 1 << 20

Labels = NDArray[np.unsignedinteger[Any]]
Boxes = dict[int, tuple[slice, ...]]


def dice(n_both: int, n_a: int, n_b: int) -> float | None:
    """Return 2 |A and B| / (|A| + |B|) (Dice 1945), None where both are empty."""
    return 2 * n_both / (n_a + n_b) if n_a + n_b else None


def measure(
    a: Labels, b: Labels, index_a: int, index_b: int, spacing_mm: Sequence[float], boxes: tuple[Boxes, Boxes]
) -> dict[str, Any]:
    """Compare one label of two masks (x, y, z): Dice, NSD at 2 mm, HD95 in mm and voxel counts.

    `boxes` are `boxes_of(a)` and `boxes_of(b)`; only the label's own box is looked at. What isn't defined is None.
    """
    box = _union(boxes[0].get(index_a), boxes[1].get(index_b))
    if box is None:
        counts = {"voxels_a": 0, "voxels_b": 0, "voxels_only_a": 0, "voxels_only_b": 0}
        return {"dice": None, "nsd": None, "hd95_mm": None, **counts}
    in_a, in_b = a[box] == index_a, b[box] == index_b
    n_a, n_b = int(np.count_nonzero(in_a)), int(np.count_nonzero(in_b))
    n_both = int(np.count_nonzero(in_a & in_b))
    surfaces = agree(in_a, in_b, spacing_mm, tolerance_mm=TOLERANCE_MM)
    return {
        "dice": dice(n_both, n_a, n_b),
        "nsd": surfaces.nsd,
        "hd95_mm": surfaces.hd95_mm,
        "voxels_a": n_a,
        "voxels_b": n_b,
        "voxels_only_a": n_a - n_both,
        "voxels_only_b": n_b - n_both,
    }


def boxes_of(mask: Labels) -> Boxes:
    """Return the box of each label that occurs in a mask (x, y, z), which is quick where x is fastest in memory."""
    found = ndimage.find_objects(mask.T)
    return {index: box[::-1] for index, box in enumerate(found, start=1) if box is not None}


def differences(before: Labels, after: Labels, labels: LabelSet) -> list[dict[str, Any]]:
    """Return for each label the voxels that were added and removed, and the Dice of both arrays (None if both lack it).

    Both are flat and of one order.
    """
    added, removed, had = (np.zeros(_N_VALUES, np.int64) for _ in range(3))
    for at in range(0, before.size, _CHUNK_VOXELS):
        old, new = before[at : at + _CHUNK_VOXELS], after[at : at + _CHUNK_VOXELS]
        changed = old != new
        for counts, values in ((added, new[changed]), (removed, old[changed]), (had, old)):
            found = np.bincount(values)
            counts[: len(found)] += found
    return [
        {
            "index": label.index,
            "name": label.name,
            "voxels_added": int(added[label.index]),
            "voxels_removed": int(removed[label.index]),
            "dice": dice(
                int(had[label.index] - removed[label.index]),
                int(had[label.index]),
                int(had[label.index] + added[label.index] - removed[label.index]),
            ),
        }
        for label in labels.labels
    ]


def _union(a: tuple[slice, ...] | None, b: tuple[slice, ...] | None) -> tuple[slice, ...] | None:
    if a is None or b is None:
        return a or b
    return tuple(slice(min(p.start, q.start), max(p.stop, q.stop)) for p, q in zip(a, b, strict=True))
