"""Snapshots of drafts, so that a replay is short: a cache in the object store that may vanish at any time."""

import zlib
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.database import Connection
from segloop.errors import NotFound
from segloop.imaging.labels import LabelSet
from segloop.masks.drafts import table
from segloop.masks.drafts.grid import label_type
from segloop.storage import ObjectStore

_HASH_PREFIX = 32


def newest(
    conn: Connection, store: ObjectStore, draft: Row[Any]
) -> tuple[int, str, NDArray[np.unsignedinteger[Any]]] | None:
    """Return (sequence, hash, voxels) of the newest snapshot that belongs to this draft's entries, if any.

    What is damaged, of other voxels or deleted meanwhile counts as absent.
    """
    keys = {_sequence(found.key): found.key for found in store.list_(_prefix(draft.id))}
    known = table.list_hashes(conn, draft.id, [n for n in keys if 0 < n <= draft.head_sequence])
    for sequence in sorted(known, reverse=True):
        if keys[sequence] != _key(draft.id, sequence, known[sequence]):
            continue
        voxels = _read(store, keys[sequence], draft)
        if voxels is not None:
            return sequence, known[sequence], voxels
    return None


def save(store: ObjectStore, draft: Row[Any], *, sequence: int, digest: str, voxels: NDArray[Any]) -> None:
    """Store a snapshot and remove older ones; a repeat stores the same bytes again."""
    key = _key(draft.id, sequence, digest)
    store.put_bytes(key, isal_zlib.compress(voxels.tobytes(), 1))
    for found in list(store.list_(_prefix(draft.id))):
        if _sequence(found.key) < sequence:
            store.delete(found.key)


def _read(store: ObjectStore, key: str, draft: Row[Any]) -> NDArray[np.unsignedinteger[Any]] | None:
    try:
        # zlib's format ends in a checksum, so damaged bytes raise here instead of becoming labels.
        raw = bytearray(zlib.decompress(store.read(key)))
    except (NotFound, zlib.error):
        return None
    dtype = label_type(LabelSet.from_dicts(draft.labels))
    if len(raw) != dtype.itemsize * int(np.prod(draft.shape, dtype=np.int64)):
        return None
    return np.frombuffer(raw, dtype)


def _prefix(draft_id: str) -> str:
    return f"drafts/{draft_id}/snapshots/"


def _key(draft_id: str, sequence: int, digest: str) -> str:
    return f"{_prefix(draft_id)}{sequence}-{digest[:_HASH_PREFIX]}"


def _sequence(key: str) -> int:
    number = key.rpartition("/")[2].partition("-")[0]
    return int(number) if number.isdigit() else 0
