"""An entry of a draft: what it holds, how it is chained to the one before, and whether it fits its draft."""

import hashlib
import zlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from segloop.errors import InvalidInput
from segloop.imaging.labels import LabelSet
from segloop.masks.drafts import region, runs
from segloop.masks.drafts.grid import ras_grid
from segloop.storage import ObjectStore

OPERATIONS = frozenset(
    (
        *("brush", "erase", "lasso", "fill", "threshold", "grow", "smooth", "islands", "holes"),
        *("interpolate", "copy", "undo", "redo", "review", "restore"),
    )
)
MAX_BYTES = 32 << 20
"""A longer body is refused; an edit of more runs goes in several entries."""


@dataclass(frozen=True)
class Entry:
    """One edit: its place (from 1), what made it, the active label, the hash chain, and its runs or region."""

    sequence: int
    operation: str
    label: int
    parent_hash: str
    hash: str
    body: bytes


def chain(parent_hash: str, operation: str, label: int, body: bytes) -> str:
    """Return an entry's hash: sha256 of the parent's hash, operation, label and the body's sha256, by lines."""
    digest = hashlib.sha256(body).hexdigest()
    return hashlib.sha256(f"{parent_hash}\n{operation}\n{label}\n{digest}".encode()).hexdigest()


def check(draft: Row[Any], entry: Entry) -> None:
    """Check an entry's operation, label and body against its draft's grid and label set.

    Raises:
        InvalidInput: `entry_invalid`.
    """
    labels = LabelSet.from_dicts(draft.labels)
    if entry.operation not in OPERATIONS:
        raise InvalidInput("entry_invalid", f"'{entry.operation[:40]}' is no operation of the editor.")
    if entry.label not in (0, *labels.indices):
        raise InvalidInput("entry_invalid", f"Label {entry.label} is not in this draft's label set.")
    grid = ras_grid(draft)
    if entry.operation == "review":
        region.parse(entry.body, shape=grid.shape, indices=labels.indices)
    else:
        n_voxels = grid.shape[0] * grid.shape[1] * grid.shape[2]
        runs.parse(entry.body, n_voxels=n_voxels, indices=labels.indices)


def read_body(store: ObjectStore, entry: Row[Any]) -> bytes:
    """Return a stored entry's body as it was sent."""
    packed = store.read(entry.object_key) if entry.object_key else entry.body
    return zlib.decompress(packed)
