"""A stored volume's voxels on its own grid."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.errors import InvalidInput
from segloop.imaging import nifti
from segloop.storage import ObjectStore
from segloop.volumes.ingest import geometry_of


def read(store: ObjectStore, volume: Row[Any], *, scratch: Path, hu_offset: float = 0.0) -> NDArray[Any]:
    """Return a volume's voxels (x, y, z) in HU, on the grid that `geometry_of` gives.

    Raises:
        InvalidInput: `volume_damaged` when what is stored is not what was uploaded.
    """
    with tempfile.TemporaryDirectory(dir=scratch, prefix="segloop-volume-") as folder:
        path = Path(folder) / "volume"
        store.fetch(volume.object_key, path)
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != volume.sha256:
                raise InvalidInput(
                    "volume_damaged",
                    "The stored CT is not the one that was uploaded. Tell operations; upload it again.",
                )
        array, geometry = nifti.load(path, hu_offset=hu_offset)
    if not geometry.same_grid(geometry_of(volume)):
        raise InvalidInput(
            "volume_damaged",
            "The stored CT's grid is not the one on record. Tell operations.",
        )
    return array
