"""A stored mask's voxels in the viewer's order."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.errors import NotFound, Unavailable
from segloop.imaging import nifti
from segloop.imaging.geometry import Geometry, reorient
from segloop.storage import ObjectStore


def read(store: ObjectStore, mask: Row[Any], *, grid: Geometry) -> NDArray[np.unsignedinteger[Any]]:
    """Return a mask's labels, flat in RAS order, x fastest; `grid` is its volume's RAS grid.

    Reads the viewer copy, or makes it again from the mask's file where the copy is gone. Read-only.

    Raises:
        Unavailable: `mask_damaged` when what is stored has not one value for each voxel.
    """
    prefix = mask.object_key.rpartition("/")[0]
    n_voxels = int(np.prod(grid.shape, dtype=np.int64))
    try:
        dtype = np.dtype(json.loads(store.read(f"{prefix}/level-0.json"))["dtype"]).newbyteorder("<")
        voxels: NDArray[Any] = np.frombuffer(store.read(f"{prefix}/level-0"), dtype)
    except NotFound:
        voxels = _from_file(store, mask)
    if voxels.size != n_voxels:
        raise Unavailable("mask_damaged", "The stored mask doesn't cover its volume. Tell operations.")
    return voxels


def load(
    store: ObjectStore, mask: Row[Any], *, scratch: Path | None = None
) -> tuple[NDArray[np.unsignedinteger[Any]], Geometry]:
    """Return a mask's labels (x, y, z) from its file, on its volume's own grid, and that grid.

    Raises:
        Unavailable: `mask_damaged` when the file is not the one that was stored.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix="segloop-mask-") as folder:
        path = Path(folder) / "mask.nii.gz"
        store.fetch(mask.object_key, path)
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != mask.sha256:
                raise Unavailable("mask_damaged", "The stored mask was changed. Tell operations.")
        return nifti.load_mask(path)


def _from_file(store: ObjectStore, mask: Row[Any]) -> NDArray[np.unsignedinteger[Any]]:
    array, geometry = load(store, mask)
    flat: NDArray[Any] = reorient(array, geometry, "RAS")[0].ravel(order="F")
    return flat
