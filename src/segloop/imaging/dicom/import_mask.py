"""A DICOM SEG or RTSTRUCT, alone or in a zip, as a mask on the grid of the CT that it was made on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import UID

from segloop.errors import InvalidInput
from segloop.imaging.dicom import archive, read_rtstruct, read_seg
from segloop.imaging.dicom.match import match
from segloop.imaging.dicom.planes import Planes
from segloop.imaging.dicom.same_study import require_same
from segloop.imaging.dicom.self_said import doubts
from segloop.imaging.dicom.series import require_volume
from segloop.imaging.dicom.signature import is_zip
from segloop.imaging.dicom.structure import KINDS, RTSTRUCT
from segloop.imaging.geometry import Geometry
from segloop.imaging.labels import LabelSet
from segloop.imaging.painting import Canvas


@dataclass(frozen=True)
class Imported:
    """A mask (x, y, z) on the series' grid, the indices of the labels that were found, and what was decided on the way."""

    mask: NDArray[np.unsignedinteger[Any]]
    geometry: Geometry
    labels: list[int]
    notes: list[str]


def import_mask(
    path: Path,
    headers: Path,
    folder: Path,
    *,
    labels: LabelSet,
    label_map: Mapping[str, str | None],
    ask_if_doubtful: bool = False,
) -> Imported:
    """Return the mask that a file, or the one object of a zip, holds for the CT of these packed headers.

    `folder` is a place to unpack into. `ask_if_doubtful` refuses what says of itself that a program made it, or that nobody
    reviewed it.

    Raises:
        InvalidInput: `mask_unreviewed`; `mask_object_missing`, `mask_objects_several`, `mask_object_broken`, or what is said by `same_study`,
            `match`, `planes`, `painting` and the readers.
    """
    try:
        found = _find(path, folder)
        series = require_volume(archive.unpack_headers(headers))
        notes = require_same(found, series.headers[0])
        if ask_if_doubtful and (said := doubts(found)):
            raise InvalidInput(
                "mask_unreviewed",
                f"This is to be ground truth, but of itself it says otherwise: {'; '.join(said)}. Say which it is: complete the "
                "upload again with mask_kind 'imported', or with 'ground_truth' if a person has looked at every part of it.",
                says=said,
            )
        is_contours = str(found.SOPClassUID) == RTSTRUCT
        structures = read_rtstruct.rois_of(found) if is_contours else read_seg.segments_of(found)
        matched = match(structures, labels, label_map)
        chosen = [one for one in structures if one.number in matched.labels]
        canvas = Canvas(series.geometry.shape, matched.labels)
        if is_contours:
            notes += read_rtstruct.paint_rois(found, Planes(series), canvas, chosen)
        else:
            read_seg.paint(found, Planes(series), canvas, chosen)
    except (InvalidInput, MemoryError):
        raise
    except Exception as error:  # whatever a broken file makes of its reader
        if (
            isinstance(error, OSError) and error.errno is not None
        ):  # the disk's fault; pydicom raises it without a number
            raise
        raise InvalidInput(
            "mask_object_broken",
            "This DICOM object lacks something that it must have, or holds values that are none. Export it again.",
        ) from error
    try:
        mask = canvas.finish({one.number: one.name for one in structures})
    except InvalidInput as error:
        raise InvalidInput(error.code, error.message, **error.details, **matched.table) from error
    there = sorted({matched.labels[number] for number in canvas.found})
    if not there:
        raise InvalidInput(
            "mask_empty",
            "No voxel of this CT is in what was chosen of this file. Choose more.",
            **matched.table,
        )
    return Imported(mask, series.geometry, there, [*matched.notes, *notes])


def _find(path: Path, folder: Path) -> Dataset:
    """Return the one object that is a mask; what else is in the zip, such as the CT, is not asked."""
    files = archive.unpack(path, folder) if is_zip(path) else [path]
    kinds = [_kind(file) for file in files]
    masks = [file for file, kind in zip(files, kinds, strict=True) if kind in KINDS]
    if not masks:
        names = ", ".join(sorted({UID(kind).name for kind in kinds if kind})[:5])
        raise InvalidInput(
            "mask_object_missing",
            f"There is no DICOM Segmentation or RT Structure Set here{': only ' + names if names else ''}. Choose the file that "
            "holds the contours.",
        )
    if len(masks) > 1:
        raise InvalidInput(
            "mask_objects_several",
            f"There are {len(masks)} Segmentations or Structure Sets here. Send them one by one.",
        )
    return pydicom.dcmread(masks[0], force=True)


def _kind(file: Path) -> str:
    """Return what a file is, "" where it can't be read: in a zip it may be anything."""
    try:
        header = pydicom.dcmread(file, force=True, stop_before_pixels=True, specific_tags=["SOPClassUID"])
        return str(header.get("SOPClassUID") or "")
    except MemoryError:
        raise
    except Exception:  # whatever a broken file makes of its reader
        return ""
