"""Runs: how a draft's entries name the voxels that changed, 12 bytes little-endian each.

A run is (uint32 start, uint32 length, uint16 before, uint16 after): `length` voxels from the linear index `start`
in RAS order, x fastest, went from one label to another. Runs ascend and never overlap.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segloop.errors import InvalidInput

RUN = np.dtype([("start", "<u4"), ("length", "<u4"), ("before", "<u2"), ("after", "<u2")])
_CHUNK_VOXELS = 1 << 22

Runs = NDArray[np.void]
Labels = NDArray[np.unsignedinteger[Any]]


def parse(body: bytes, *, n_voxels: int, indices: Sequence[int]) -> Runs:
    """Return the runs of an entry's body, checked against the grid and the label indices (background is known).

    Raises:
        InvalidInput: `entry_invalid`, saying what is wrong.
    """
    if len(body) % RUN.itemsize:
        raise _invalid(f"its {len(body)} bytes are no whole number of runs of {RUN.itemsize} bytes")
    runs = np.frombuffer(body, RUN)
    start = runs["start"].astype(np.int64)
    stop = start + runs["length"]
    if (runs["length"] == 0).any():
        raise _invalid("a run has no voxels")
    if (stop > n_voxels).any():
        raise _invalid(f"a run ends beyond the {n_voxels} voxels of this volume")
    if (start[1:] < stop[:-1]).any():
        raise _invalid("runs do not ascend or overlap")
    if (runs["before"] == runs["after"]).any():
        raise _invalid("a run changes nothing")
    values = np.unique(np.concatenate([runs["before"], runs["after"]]))
    unknown = sorted(set(values.tolist()) - {0, *indices})
    if unknown:
        raise _invalid(f"it names labels that this draft doesn't have: {unknown[:10]}")
    return runs


def apply(voxels: Labels, runs: Runs) -> bool:
    """Change a flat array (RAS order, x fastest) in place; False where a voxel is not what the run says it was.

    After False the array is partly changed: throw it away.
    """
    for part in _chunks(runs):
        lengths = part["length"].astype(np.int64)
        first = np.cumsum(lengths) - lengths
        at = np.arange(int(lengths.sum())) + np.repeat(part["start"].astype(np.int64) - first, lengths)
        if not np.array_equal(voxels[at], np.repeat(part["before"], lengths)):
            return False
        voxels[at] = np.repeat(part["after"], lengths)
    return True


def between(before: Labels, after: Labels) -> bytes:
    """Return the runs, as an entry's body, that turn one flat array into another of the same size."""
    at = np.flatnonzero(before != after)
    if not len(at):
        return b""
    old, new = before[at], after[at]
    breaks = np.flatnonzero((np.diff(at) != 1) | (old[1:] != old[:-1]) | (new[1:] != new[:-1])) + 1
    first = np.concatenate([[0], breaks])
    runs = np.empty(len(first), RUN)
    runs["start"], runs["before"], runs["after"] = at[first], old[first], new[first]
    runs["length"] = np.diff(np.concatenate([first, [len(at)]]))
    return runs.tobytes()


def _chunks(runs: Runs) -> Iterator[Runs]:
    """Cut runs so that each part names a bounded number of voxels: a long one may cover the whole volume."""
    if (runs["length"] > _CHUNK_VOXELS).any():
        runs = np.concatenate([_cut(run) for run in runs])
    ends = np.cumsum(runs["length"].astype(np.int64))
    first = 0
    while first < len(runs):
        done = int(ends[first - 1]) if first else 0
        stop = max(first + 1, int(np.searchsorted(ends, done + _CHUNK_VOXELS, side="right")))
        yield runs[first:stop]
        first = stop


def _cut(run: np.void) -> Runs:
    offsets = np.arange(0, int(run["length"]), _CHUNK_VOXELS)
    pieces = np.empty(len(offsets), RUN)
    pieces["start"] = int(run["start"]) + offsets
    pieces["length"] = np.minimum(_CHUNK_VOXELS, int(run["length"]) - offsets)
    pieces["before"], pieces["after"] = run["before"], run["after"]
    return pieces


def _invalid(why: str) -> InvalidInput:
    return InvalidInput("entry_invalid", f"This edit can't be saved: {why}. Reload the page to go on.")
