"""Compare two masks of a volume: agreement of each label, and where they disagree."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.database import Connection
from segloop.errors import InvalidInput, NotFound
from segloop.imaging.disagreements import largest
from segloop.imaging.geometry import Geometry
from segloop.imaging.labels import LabelSet
from segloop.imaging.metrics import TOLERANCE_MM, boxes_of, measure
from segloop.masks import voxels
from segloop.masks.drafts.grid import ras_grid
from segloop.projects import table as projects_table
from segloop.storage import ObjectStore
from segloop.volumes import table as volumes_table

_VERSION = 1
"""Of the measures: a change makes stored comparisons void."""
_ABSENT = -1


def compare(conn: Connection, store: ObjectStore, a: Row[Any], b: Row[Any]) -> dict[str, Any]:
    """Return labels and disagreements of two masks; labels are the same where their names are.

    Both are immutable, so the answer is kept in the object store and read from there next time.

    Raises:
        InvalidInput: `volumes_differ`.
    """
    if a.volume_id != b.volume_id:
        raise InvalidInput(
            "volumes_differ", "These masks belong to different volumes; choose two of the same one."
        )
    key = f"comparisons/{a.id}/{b.id}-v{_VERSION}"
    try:
        stored: dict[str, Any] = json.loads(store.read(key))
        return stored
    except NotFound:
        pass
    grid = ras_grid(volumes_table.get(conn, a.volume_id))
    arrays = [voxels.read(store, mask, grid=grid).reshape(grid.shape, order="F") for mask in (a, b)]
    sets = [
        LabelSet.from_dicts(
            projects_table.get_label_set(conn, mask.label_set_id, project_id=mask.project_id).labels
        )
        for mask in (a, b)
    ]
    result = compare_arrays(arrays[0], arrays[1], sets[0], sets[1], grid)
    store.put_bytes(key, json.dumps(result).encode())
    return result


def compare_arrays(
    a: NDArray[Any], b: NDArray[Any], labels_a: LabelSet, labels_b: LabelSet, grid: Geometry
) -> dict[str, Any]:
    """Return what `compare` does, from arrays (x, y, z) on one grid; `index` is a's, or b's where a lacks the name."""
    voxel_ml = grid.voxel_volume_mm3 / 1000
    boxes = boxes_of(a), boxes_of(b)
    by_name = [{label.name: label for label in labels.labels} for labels in (labels_a, labels_b)]
    rows = []
    for name in dict.fromkeys([*by_name[0], *by_name[1]]):
        first, second = by_name[0].get(name), by_name[1].get(name)
        found = measure(
            a,
            b,
            first.index if first else _ABSENT,
            second.index if second else _ABSENT,
            grid.spacing_mm,
            boxes,
        )
        some = first or second
        assert some is not None
        rows.append(
            {
                "index": some.index,
                "name": name,
                "color": some.color,
                "volume_ml_a": round(found["voxels_a"] * voxel_ml, 3),
                "volume_ml_b": round(found["voxels_b"] * voxel_ml, 3),
                **{key: found[key] for key in ("dice", "nsd", "hd95_mm", "voxels_only_a", "voxels_only_b")},
            }
        )
    differ = _translated(b, labels_b, labels_a) != a
    pieces = [
        {**vars(piece), "volume_ml": round(piece.voxels * voxel_ml, 3)}
        for piece in largest(a, b, differ, grid.spacing_mm)
    ]
    return {"tolerance_mm": TOLERANCE_MM, "labels": rows, "disagreements": pieces}


def _translated(array: NDArray[Any], own: LabelSet, other: LabelSet) -> NDArray[Any]:
    """Return an array with each label's index of the other set, by name; what that set lacks equals nothing in it."""
    indices = {label.name: label.index for label in other.labels}
    if all(indices.get(label.name) == label.index for label in own.labels):
        return array
    translation = np.arange(1 << 16, dtype=np.int32)
    for label in own.labels:
        translation[label.index] = indices.get(label.name, -1)
    return translation[array]
