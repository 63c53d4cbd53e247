"""The order in which drafts name voxels: the viewer's RAS order, an exact permutation and flip of the volume's."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.imaging.geometry import Geometry, reorient, restore
from segloop.imaging.labels import LabelSet


def ras_grid(row: Row[Any]) -> Geometry:
    """Return the RAS grid of anything with a volume's `shape` and `affine`; no voxel is touched."""
    geometry = Geometry.from_flat(row.shape, row.affine)
    nothing = np.broadcast_to(np.uint8(0), geometry.shape)
    return reorient(nothing, geometry, "RAS")[1]


def label_type(labels: LabelSet) -> np.dtype[Any]:
    """Return the narrowest type that holds every label: uint8 or, above 255, uint16."""
    return np.dtype("<u1" if max(labels.indices, default=0) <= 255 else "<u2")


def onto_volume(voxels: NDArray[np.unsignedinteger[Any]], row: Row[Any]) -> NDArray[np.unsignedinteger[Any]]:
    """Return a flat array in RAS order as a view (x, y, z) in the volume's own index order."""
    volume, grid = Geometry.from_flat(row.shape, row.affine), ras_grid(row)
    return restore(voxels.reshape(grid.shape, order="F"), volume, "RAS")
