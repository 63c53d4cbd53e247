"""Read a volume's viewer copies."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.imaging.geometry import Geometry
from segloop.storage import ObjectStore


def read_level(store: ObjectStore, volume: Row[Any], *, level: int) -> tuple[NDArray[np.int16], Geometry]:
    """Return one viewer level of a volume as an (x, y, z) array in RAS order, and its grid."""
    key = f"{volume.object_key.rpartition('/')[0]}/level-{level}"
    meta = json.loads(store.read(f"{key}.json"))
    geometry = Geometry.from_flat(meta["shape"], np.ravel(meta["affine"]).tolist())
    array = np.frombuffer(store.read(key), np.dtype(meta["dtype"]).newbyteorder("<"))
    return array.reshape(geometry.shape, order="F"), geometry
