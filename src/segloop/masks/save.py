"""Save a mask: check it against its volume and label set, store the file, then the row."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import InvalidInput
from segloop.imaging import nifti
from segloop.imaging.labels import LabelSet
from segloop.masks import table
from segloop.storage import ObjectStore
from segloop.volumes.ingest import geometry_of, store_level


@dataclass(frozen=True)
class StoredMask:
    """A mask whose objects are stored and whose row is not yet there."""

    object_key: str
    sha256: str
    size_bytes: int
    statistics: list[dict[str, Any]]


def store_objects(
    store: ObjectStore,
    *,
    key: str,
    array: NDArray[np.unsignedinteger[Any]],
    volume: Row[Any],
    labels: LabelSet,
    scratch: Path,
) -> StoredMask:
    """Write the mask (x, y, z) as NIfTI on its volume's grid, and its viewer copy, under a fresh `key`.

    Raises:
        InvalidInput: `mask_grid` or `mask_labels`.
    """
    geometry = geometry_of(volume)
    if array.shape != geometry.shape:
        raise InvalidInput(
            "mask_grid",
            f"The mask has shape {array.shape}, its volume {geometry.shape}.",
        )
    labels.require_known_values(array)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="segloop-mask-") as folder:
        path = Path(folder) / "mask.nii.gz"
        nifti.write_mask(path, array, geometry)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        size = path.stat().st_size
        store.put_file(f"{key}/mask.nii.gz", path)
    store_level(store, key, array, geometry, level=0)
    return StoredMask(
        f"{key}/mask.nii.gz",
        digest,
        size,
        statistics(array, labels, geometry.voxel_volume_mm3),
    )


def statistics(
    array: NDArray[np.unsignedinteger[Any]], labels: LabelSet, voxel_volume_mm3: float
) -> list[dict[str, Any]]:
    """Return voxels and millilitres of each label, also of those that are absent."""
    counts = np.bincount(array.ravel(order="K"), minlength=max(labels.indices, default=0) + 1)
    return [
        {
            "index": label["index"],
            "name": label["name"],
            "color": label["color"],
            "voxels": int(counts[label["index"]]),
            "volume_ml": round(float(counts[label["index"]]) * voxel_volume_mm3 / 1000.0, 3),
        }
        for label in labels.to_dicts()
    ]


def insert(
    conn: Connection,
    stored: StoredMask,
    *,
    volume: Row[Any],
    kind: str,
    label_set_id: str,
    actor: str,
    **values: object,
) -> Row[Any]:
    """Insert the row of a stored mask and record who made it."""
    row = table.insert_mask(
        conn,
        project_id=volume.project_id,
        created_by=actor,
        volume_id=volume.id,
        kind=kind,
        label_set_id=label_set_id,
        object_key=stored.object_key,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        statistics=stored.statistics,
        **values,
    )
    record(
        conn,
        actor=actor,
        action="mask.saved",
        object_type="mask",
        object_id=row.id,
        project_id=volume.project_id,
        kind=kind,
        volume_id=volume.id,
    )
    return row


def import_file(
    conn: Connection,
    store: ObjectStore,
    *,
    path: Path,
    key: str,
    volume: Row[Any],
    label_set: Row[Any],
    kind: str,
    actor: str,
    scratch: Path,
) -> Row[Any]:
    """Import a mask file that lies on exactly its volume's grid.

    Raises:
        InvalidInput: `mask_grid`, `mask_labels`, or whatever `nifti.load_mask` finds.
    """
    geometry = nifti.read_header(path).geometry
    if not geometry.same_grid(geometry_of(volume)):
        raise InvalidInput(
            "mask_grid",
            f"The mask's grid {geometry.shape} {geometry.orientation} is not the volume's {tuple(volume.shape)} "
            f"{volume.orientation}. Export it on the CT's own grid; Segloop never resamples a mask.",
        )
    array, _ = nifti.load_mask(path)
    labels = LabelSet.from_dicts(label_set.labels)
    stored = store_objects(store, key=key, array=array, volume=volume, labels=labels, scratch=scratch)
    return insert(conn, stored, volume=volume, kind=kind, label_set_id=label_set.id, actor=actor)
