"""A DICOM Segmentation (PS3.3 A.51), binary or label map, by whoever wrote it: its segments, and their pixels on a CT's slices.

A frame lies where its position and direction in the patient say, never where its number would put it; a slice without a
frame is empty.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.utils import iter_pixels

from segloop.errors import InvalidInput
from segloop.imaging.dicom.planes import Planes
from segloop.imaging.dicom.structure import (
    LABELMAP,
    Structure,
    code_of,
    named,
    require_few,
    side_of,
)
from segloop.imaging.painting import Canvas

_BACKGROUND = "125040"
"""DCM's code for what is no segment (PS3.16)."""
_BITS = {False: (1,), True: (8, 16)}


def segments_of(seg: Dataset) -> list[Structure]:
    """Return the segments but for the background of a label map, numbered from 1.

    Raises:
        InvalidInput: `seg_fractional`, `seg_broken`, `mask_structures`.
    """
    is_map = _is_map(seg)
    if not is_map and seg.get("SegmentationType") == "FRACTIONAL":
        raise InvalidInput(
            "seg_fractional",
            "This DICOM Segmentation is fractional: it says how likely each voxel is, not which it is. Export it as binary.",
        )
    items = seg.get("SegmentSequence") or []
    require_few(len(items))
    keys = [int(item.SegmentNumber) for item in items]
    if len(set(keys)) < len(keys) or not keys or min(keys) < 0:
        raise broken("its segments have no numbers of their own")
    padding = seg.get("PixelPaddingValue") if is_map else None
    there = None if is_map else {_segment_of(seg, item) for item in _per_frame(seg)}
    found: list[Structure] = []
    for key, item in zip(keys, items, strict=True):
        what = code_of(item, "SegmentedPropertyTypeCodeSequence")
        if is_map and (key == padding or (what is not None and what.value == _BACKGROUND)):
            continue
        side = side_of(
            item, "SegmentedPropertyTypeCodeSequence", "SegmentedPropertyTypeModifierCodeSequence"
        ) or side_of(item, "AnatomicRegionSequence", "AnatomicRegionModifierSequence")
        name = named(item.get("SegmentLabel")) or f"segment {key}"
        is_empty = there is not None and key not in there
        found.append(Structure(len(found) + 1, key, name, what, side, is_empty))
    return found


def paint(seg: Dataset, planes: Planes, canvas: Canvas, chosen: Sequence[Structure]) -> None:
    """Paint the chosen segments.

    Raises:
        InvalidInput: `seg_broken`, `seg_frames_twice`, `mask_grid`, `mask_outside`.
    """
    is_map = _is_map(seg)
    numbers = {one.key: one.number for one in chosen}
    known = {int(item.SegmentNumber) for item in seg.SegmentSequence}
    seen: set[tuple[int, int]] = set()
    shared = (seg.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    items = _per_frame(seg)
    size = (int(seg.get("Rows") or 0), int(seg.get("Columns") or 0))
    # Where all frames lie before a pixel is decoded, so that none is larger than the CT's.
    windows = [planes.window(*_plane(item, shared), size) for item in items]
    for item, window, frame in zip(items, windows, _frames(seg, len(items), is_map=is_map), strict=True):
        key = 0 if is_map else _segment_of(seg, item)
        if not is_map and key not in known:
            raise broken("a frame is of a segment that it doesn't describe")
        if (key, window.z) in seen:
            raise InvalidInput(
                "seg_frames_twice",
                "Two frames of one segment lie on the same slice, as in a Segmentation of several times. Export one of them.",
            )
        seen.add((key, window.z))
        placed = window.place(frame)
        for value, where in _parts(placed, numbers, known) if is_map else [(key, placed != 0)]:
            if value in numbers:
                canvas.paint(numbers[value], window.z, window.rows, window.columns, where)


def broken(what: str) -> InvalidInput:
    """Return the refusal of an object that contradicts itself."""
    return InvalidInput("seg_broken", f"This DICOM Segmentation is damaged: {what}. Export it again.")


def _is_map(seg: Dataset) -> bool:
    return str(seg.SOPClassUID) == LABELMAP or seg.get("SegmentationType") == "LABELMAP"


def _per_frame(seg: Dataset) -> Sequence[Dataset]:
    items: Sequence[Dataset] = seg.get("PerFrameFunctionalGroupsSequence") or []
    if not items or int(seg.get("NumberOfFrames") or 0) != len(items):
        raise broken("it doesn't say of each frame where it lies")
    return items


def _segment_of(seg: Dataset, item: Dataset) -> int:
    shared = (seg.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    named_by = item.get("SegmentIdentificationSequence") or shared.get("SegmentIdentificationSequence")
    if not named_by:
        raise broken("a frame names no segment")
    return int(named_by[0].ReferencedSegmentNumber)


def _plane(item: Dataset, shared: Dataset) -> tuple[list[float], list[float], list[float]]:
    """Return position, direction and pixel spacing of a frame (PS3.3 C.7.6.16.2), stated for it or for all."""
    found = []
    for sequence, keyword, n in (
        ("PlanePositionSequence", "ImagePositionPatient", 3),
        ("PlaneOrientationSequence", "ImageOrientationPatient", 6),
        ("PixelMeasuresSequence", "PixelSpacing", 2),
    ):
        stated = item.get(sequence) or shared.get(sequence)
        values = (stated[0].get(keyword) if stated else None) or []
        if len(values) != n:
            raise broken("it doesn't say of each frame where it lies")
        found.append([float(value) for value in values])
    return found[0], found[1], found[2]


def _frames(seg: Dataset, n: int, *, is_map: bool) -> Iterator[NDArray[np.unsignedinteger[Any]]]:
    """Yield the frames (row, column), one at a time."""
    rows, columns, bits = (int(seg.get(name) or 0) for name in ("Rows", "Columns", "BitsAllocated"))
    if bits not in _BITS[is_map] or int(seg.get("SamplesPerPixel") or 0) != 1 or min(rows, columns) < 1:
        raise broken("its pixels are not of the kind that it says")
    syntax = seg.file_meta.TransferSyntaxUID
    if "PixelData" not in seg or not syntax.is_little_endian:
        raise broken("it holds no pixels, or in an order of bytes that is not read")
    if bits == 1 and not syntax.is_encapsulated:
        yield from _bits(seg.PixelData, n, rows, columns)
        return
    n_read = 0
    try:
        for frame in iter_pixels(seg):
            n_read += 1
            yield frame.reshape(rows, columns)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise what they like
        raise broken("its pixels can't be decoded") from error
    if n_read != n:
        raise broken("it has fewer frames than it says")


def _bits(data: bytes, n: int, rows: int, columns: int) -> Iterator[NDArray[np.uint8]]:
    # One frame begins in the byte in which the one before ends (PS3.5 8.1.1), which pydicom's own iteration doesn't know.
    size = rows * columns
    if len(data) < (n * size + 7) // 8:
        raise broken("it has fewer pixels than it says")
    packed = np.frombuffer(data, np.uint8)
    for index in range(n):
        start, stop = index * size, (index + 1) * size
        bits = np.unpackbits(packed[start // 8 : (stop + 7) // 8], bitorder="little")
        yield bits[start % 8 : start % 8 + size].reshape(rows, columns)


def _parts(
    frame: NDArray[np.generic], numbers: Mapping[int, int], known: set[int]
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield the segments of a label map's frame with their pixels."""
    values = np.unique(frame).tolist()
    if set(values) - known - {0}:
        raise broken("it holds values that are no segments of it")
    for value in values:
        if value in numbers:
            yield value, frame == value
