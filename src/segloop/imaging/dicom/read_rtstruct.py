"""An RT Structure Set (PS3.3 A.19) by whoever wrote it: its regions of interest, and the voxels within their contours."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement

from segloop.errors import InvalidInput
from segloop.imaging.dicom.planes import FAR_MM, Planes, outside
from segloop.imaging.dicom.structure import Structure, code_of, named, require_few, side_of
from segloop.imaging.painting import Canvas
from segloop.imaging.polygons import fill

SLICE_MM = 0.1
"""How far a contour may lie from its slice: planning systems round to tenths of a millimetre."""
_DATA = tag_for_keyword("ContourData") or 0
_CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
_CODE, _MODIFIER = "RTROIIdentificationCodeSequence", "SegmentedPropertyTypeModifierCodeSequence"


def rois_of(found: Dataset) -> list[Structure]:
    """Return the regions of interest, numbered from 1.

    Raises:
        InvalidInput: `rtstruct_broken`, `mask_structures`.
    """
    items = found.get("StructureSetROISequence") or []
    require_few(len(items))
    keys = [int(item.ROINumber) for item in items]
    if len(set(keys)) < len(keys) or not keys:
        raise _broken("its structures have no numbers of their own")
    contours = _contours_of(found)
    observed = {int(item.ReferencedROINumber): item for item in found.get("RTROIObservationsSequence") or []}
    structures = []
    for number, (key, item) in enumerate(zip(keys, items, strict=True), 1):
        what = observed.get(key, Dataset())
        name = named(item.get("ROIName")) or f"structure {key}"
        side = side_of(what, _CODE, _MODIFIER) or side_of(
            what, "AnatomicRegionSequence", "AnatomicRegionModifierSequence"
        )
        structures.append(Structure(number, key, name, code_of(what, _CODE), side, not contours.get(key)))
    return structures


def paint_rois(found: Dataset, planes: Planes, canvas: Canvas, chosen: Sequence[Structure]) -> list[str]:
    """Paint the chosen regions; return what a person should know.

    Raises:
        InvalidInput: `rtstruct_contour_type`, `rtstruct_between_slices`, `rtstruct_broken`, `mask_outside`.
    """
    contours = _contours_of(found)
    n_skipping = n_cut = 0
    for one in chosen:
        on_slice: dict[int, list[NDArray[np.float64]]] = defaultdict(list)
        for points in _polygons(one, contours.get(one.key) or []):
            z, away, polygon = planes.points(points)
            if not 0 <= z < planes.shape[2]:
                raise outside()
            if away > SLICE_MM:
                raise InvalidInput(
                    "rtstruct_between_slices",
                    f"A contour of {one.name} lies between two slices of this CT, or across them. Export the structures on the "
                    "CT's own slices, or leave this one out.",
                )
            on_slice[z].append(polygon)
        n_skipping += len(on_slice) < max(on_slice, default=0) - min(on_slice, default=1) + 1
        cut = [_paint(one.number, z, polygons, planes, canvas) for z, polygons in on_slice.items()]
        n_cut += any(cut)
    told = ((n_skipping, "without contours on slices in between"), (n_cut, "cut off at the picture's edge"))
    return [f"{n} structure{'s' if n > 1 else ''} {what}" for n, what in told if n]


def _paint(
    number: int, z: int, polygons: Sequence[NDArray[np.float64]], planes: Planes, canvas: Canvas
) -> bool:
    """Paint what one region has on one slice; say whether some of it lies beyond the picture."""
    size = np.array(planes.shape[:2])
    points = np.concatenate(polygons)
    low, high = points.min(axis=0), points.max(axis=0)
    if (high < -0.5).any() or (low > size - 0.5).any():
        raise outside()
    first = np.clip(np.ceil(low), 0, size - 1).astype(int)
    n_columns, n_rows = np.clip(np.floor(high), 0, size - 1).astype(int) - first + 1
    if min(n_columns, n_rows) > 0:
        where = fill([one - first for one in polygons], (n_rows, n_columns))
        columns, rows = slice(first[0], first[0] + n_columns), slice(first[1], first[1] + n_rows)
        canvas.paint(number, z, rows, columns, where)
    # By half a voxel and more: an outline along the last voxels' faces is rounded somewhere.
    return bool((low < -1).any() or (high > size).any())


def _contours_of(found: Dataset) -> dict[int, Sequence[Dataset]]:
    items = found.get("ROIContourSequence") or []
    return {int(item.ReferencedROINumber): item.get("ContourSequence") or [] for item in items}


def _polygons(one: Structure, contours: Sequence[Dataset]) -> Iterator[NDArray[np.float64]]:
    """Yield each contour's points (n, 3) in mm, LPS+."""
    for contour in contours:
        kind = str(contour.get("ContourGeometricType") or "")
        if kind not in _CLOSED:
            raise InvalidInput(
                "rtstruct_contour_type",
                f"{one.name} has contours that enclose nothing ({kind or 'of no kind'}); only closed planar ones are read. "
                "Leave this structure out.",
            )
        values = _numbers(contour)
        if len(values) % 3 or len(values) != 3 * int(contour.get("NumberOfContourPoints") or 0):
            raise _broken("a contour has not as many points as it says")
        if not (np.abs(values) < FAR_MM).all():
            raise _broken("a contour has points that are nowhere")
        if len(values):
            yield values.reshape(-1, 3)


def _numbers(contour: Dataset) -> NDArray[np.float64]:
    # From the text at once: pydicom would make an object of each of millions of numbers.
    stated = contour.get_item(_DATA)
    if stated is None or not stated.value:
        return np.empty(0)
    if not isinstance(stated, RawDataElement) or not isinstance(stated.value, bytes):
        return np.array([float(value) for value in contour[_DATA].value], np.float64)
    try:
        return np.array([float(text) for text in stated.value.rstrip(b" \0").split(b"\\")], np.float64)
    except ValueError as error:
        raise _broken("a contour has points that are no numbers") from error


def _broken(what: str) -> InvalidInput:
    return InvalidInput("rtstruct_broken", f"This RT Structure Set is damaged: {what}. Export it again.")
