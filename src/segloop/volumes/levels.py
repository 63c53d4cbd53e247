"""Read a volume's viewer copies."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.imaging.geometry import Geometry
from segloop.storage import ObjectStore


def key_of(volume: Row[Any], level: int) -> str:
    """Return the key of a viewer copy; its grid lies beside it under the same and `.json`."""
    return f"{volume.object_key.rpartition('/')[0]}/level-{level}"


def read_level(store: ObjectStore, volume: Row[Any], *, level: int) -> tuple[NDArray[np.int16], Geometry]:
    """Return one viewer level of a volume as an (x, y, z) array in RAS order, and its grid."""
    key = key_of(volume, level)
    meta = json.loads(store.read(f"{key}.json"))
    geometry = Geometry.from_flat(meta["shape"], np.ravel(meta["affine"]).tolist())
    array = np.frombuffer(store.read(key), np.dtype(meta["dtype"]).newbyteorder("<"))
    return array.reshape(geometry.shape, order="F"), geometry
