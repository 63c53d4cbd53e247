"""Run an editing tool on a draft; the browser gets the runs, shows them and journals them as an entry of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.database import Connection
from segloop.errors import Conflict, InvalidInput, TooLarge
from segloop.imaging import edit_tools
from segloop.imaging.geometry import Geometry
from segloop.imaging.labels import LabelSet
from segloop.masks.drafts import runs, table
from segloop.masks.drafts.entry import MAX_BYTES
from segloop.masks.drafts.grid import ras_grid
from segloop.masks.drafts.replay import replay
from segloop.masks.drafts.start import head_of, require_own
from segloop.storage import ObjectStore
from segloop.volumes import table as volumes_table

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Settings:
    """What a tool is told; `over` are the labels that it may replace (0 is background)."""

    over: Sequence[int] = (0,)
    plane: str | None = None
    slices: Sequence[int] | None = None
    min_voxels: int | None = None
    radius_mm: float | None = None
    seed: tuple[int, int, int] | None = None
    low_hu: float | None = None
    high_hu: float | None = None


def run(
    conn: Connection,
    store: ObjectStore,
    draft_id: str,
    *,
    tool: str,
    label: int,
    sequence: int,
    head_hash: str,
    settings: Settings,
    actor: str,
) -> bytes:
    """Return the runs that a tool would make of a label at the draft's head; nothing is changed.

    Raises:
        NotFound: `draft_unknown`; Forbidden: `draft_not_yours`; Conflict: `draft_conflict` with the `head`.
        InvalidInput: `tool_invalid`, `seed_outside`; TooLarge: `entry_too_large`.
    """
    draft = table.get(conn, draft_id)
    require_own(draft, actor)
    if (draft.head_sequence, draft.head_hash) != (sequence, head_hash):
        raise Conflict(
            "draft_conflict",
            "Edits are still on their way; try again when all is saved.",
            head=head_of(draft),
        )
    known = LabelSet.from_dicts(draft.labels).indices
    if label not in known:
        raise InvalidInput("tool_invalid", f"Label {label} is not in this draft's label set.")
    grid = ras_grid(draft)
    voxels = replay(conn, store, draft).voxels
    array = voxels.reshape(grid.shape, order="F")
    after = array.copy(order="F")
    if tool == "grow":
        box, found = _grow(conn, store, draft, grid, settings)
        found |= array[box] == label
    else:
        box, found = _reshape(array == label, grid, tool, settings)
    part = after[box]
    part[(part == label) & ~found] = 0
    part[found & np.isin(array[box], list(settings.over))] = label
    body = runs.between(voxels, after.ravel(order="F"))
    if len(body) > MAX_BYTES:
        raise TooLarge("entry_too_large", "The tool would change too much at once; make its radius smaller.")
    return body


def _reshape(
    mask: NDArray[np.bool_], grid: Geometry, tool: str, settings: Settings
) -> tuple[Box, NDArray[np.bool_]]:
    """Return the box that a tool looks at, and the label's mask in it afterwards."""
    radius = 2.0 if settings.radius_mm is None else settings.radius_mm
    margin = [int(np.ceil(3 * radius / step)) if tool == "smooth" else 0 for step in grid.spacing_mm]
    box = _box(mask, margin)
    part = mask[box]
    if not part.size:
        return box, part
    if tool == "islands":
        return box, edit_tools.keep_islands(part, min_voxels=settings.min_voxels)
    if tool == "holes":
        return box, edit_tools.fill_holes(part, plane=settings.plane)
    if tool == "smooth":
        return box, edit_tools.smooth(part, grid.spacing_mm, radius_mm=radius)
    plane = settings.plane or "axial"
    axis = edit_tools.AXES[plane]
    slices = None
    if settings.slices is not None:
        if any(not 0 <= at < grid.shape[axis] for at in settings.slices):
            raise InvalidInput("tool_invalid", f"There are {grid.shape[axis]} slices; choose among them.")
        # Slices beyond the label's own box are empty, and nothing is interpolated towards an empty one.
        slices = [at - box[axis].start for at in settings.slices if box[axis].start <= at < box[axis].stop]
    return box, edit_tools.interpolate(part, grid.spacing_mm, plane=plane, slices=slices)


def _grow(
    conn: Connection, store: ObjectStore, draft: Row[Any], grid: Geometry, settings: Settings
) -> tuple[Box, NDArray[np.bool_]]:
    """Grow from the seed in the CT's viewer copy, of which only the slices in reach are read."""
    seed, low, high = settings.seed, settings.low_hu, settings.high_hu
    if seed is None or low is None or high is None or low > high:
        raise InvalidInput("tool_invalid", "Growing needs a seed [x, y, z] and a range low_hu to high_hu.")
    if any(not 0 <= at < n for at, n in zip(seed, grid.shape, strict=True)):
        raise InvalidInput("tool_invalid", "The seed lies outside the volume.")
    radius = 20.0 if settings.radius_mm is None else settings.radius_mm
    reach = [int(radius / step) for step in grid.spacing_mm]
    x, y, z = (
        slice(max(at - far, 0), min(at + far + 1, n))
        for at, far, n in zip(seed, reach, grid.shape, strict=True)
    )
    volume = volumes_table.get(conn, draft.volume_id)
    plane_bytes = 2 * grid.shape[0] * grid.shape[1]
    key = f"{volume.object_key.rpartition('/')[0]}/level-0"
    with store.open(key, offset=z.start * plane_bytes, size_bytes=(z.stop - z.start) * plane_bytes) as reader:
        slab = np.frombuffer(reader.read(), "<i2")
    hu: NDArray[np.int16] = slab.reshape((grid.shape[0], grid.shape[1], -1), order="F")[x, y]
    local = [at - part.start for at, part in zip(seed, (x, y, z), strict=True)]
    found = edit_tools.grow(hu, local, grid.spacing_mm, low_hu=low, high_hu=high, radius_mm=radius)
    return (x, y, z), found


def _box(mask: NDArray[np.bool_], margin: Sequence[int]) -> Box:
    """Return the box of what a mask holds, with a margin inside the array; an empty box for an empty mask."""
    boxes = []
    for axis, far in enumerate(margin):
        others = tuple(n for n in range(3) if n != axis)
        at = np.flatnonzero(mask.any(axis=others))
        if not len(at):
            return slice(0, 0), slice(0, 0), slice(0, 0)
        boxes.append(slice(max(int(at[0]) - far, 0), min(int(at[-1]) + far + 1, mask.shape[axis])))
    return boxes[0], boxes[1], boxes[2]
