"""Save a mask: check it against its volume and label set, store the file, then the row."""

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import InvalidInput
from segloop.imaging.derive import MASK_FILE, write_mask_files
from segloop.imaging.geometry import Geometry
from segloop.imaging.labels import LabelSet
from segloop.imaging.sandbox import Sandbox
from segloop.masks import table
from segloop.storage import ObjectStore
from segloop.volumes.ingest import geometry_of, store_files


@dataclass(frozen=True)
class StoredMask:
    """A mask whose objects are stored and whose row is not yet there."""

    object_key: str
    sha256: str
    size_bytes: int
    statistics: list[dict[str, Any]]
    notes: tuple[str, ...] = ()
    labels: tuple[int, ...] | None = None
    """Of a DICOM object: the indices of the labels that were found in it."""

    @property
    def prefix(self) -> str:
        """What the keys of all its objects begin with."""
        return self.object_key.rpartition("/")[0]


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
    with tempfile.TemporaryDirectory(dir=scratch, prefix="segloop-mask-") as folder:
        found = write_mask_files(Path(folder), array, geometry, labels)
        return _store_files(store, key, Path(folder), found["counts"], geometry, labels)


def _store_files(
    store: ObjectStore, key: str, folder: Path, counts: list[int], geometry: Geometry, labels: LabelSet
) -> StoredMask:
    path = folder / MASK_FILE
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    store_files(store, key, folder)
    found = statistics(counts, labels, geometry.voxel_volume_mm3)
    return StoredMask(f"{key}/{MASK_FILE}", digest, path.stat().st_size, found)


def statistics(counts: list[int], labels: LabelSet, voxel_volume_mm3: float) -> list[dict[str, Any]]:
    """Return voxels and millilitres of each label, also of those that are absent; `counts` are by index."""
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
        notes=list(stored.notes),
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


def import_objects(
    store: ObjectStore,
    sandbox: Sandbox,
    folder: Path,
    *,
    key: str,
    volume: Row[Any],
    label_set: Row[Any],
    label_map: dict[str, str | None] | None = None,
    ask_if_doubtful: bool = False,
) -> StoredMask:
    """Check the mask `folder`/input in a process of its own: it must lie on exactly its volume's grid; store it.

    With a label map it is a DICOM object, and the headers of its CT lie beside it; `ask_if_doubtful` as in `import_mask`.

    Raises:
        InvalidInput: `mask_grid`, `mask_labels`, `parse_failed`, or whatever `nifti.load_mask` or `import_mask` finds.
    """
    grid = {"shape": list(volume.shape), "affine": list(volume.affine), "labels": label_set.labels}
    if label_map is None:
        found = sandbox.run("mask", folder, **grid)
    else:
        found = sandbox.run(
            "dicom_mask", folder, **grid, label_map=label_map, ask_if_doubtful=ask_if_doubtful
        )
    labels = LabelSet.from_dicts(label_set.labels)
    stored = _store_files(store, key, folder / "output", found["counts"], geometry_of(volume), labels)
    if label_map is None:
        return stored
    return replace(stored, notes=tuple(found["notes"]), labels=tuple(found["labels"]))
