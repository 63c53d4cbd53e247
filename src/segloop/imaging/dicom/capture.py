"""A sheet of key images as RGB Secondary Capture (PS3.3 A.8.1): a picture for receivers that know nothing else."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom
from highdicom.enum import CoordinateSystemNames, PhotometricInterpretationValues
from highdicom.sc import SCImage
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian

from segloop.imaging.dicom.deidentify import says_burned_in
from segloop.imaging.dicom.instance import UTF_8, finish, identity, reference
from segloop.imaging.dicom.picture import (
    AXIAL,
    CORONAL,
    NAMES,
    SAGITTAL,
    Scene,
    caption,
    fullest,
    picture,
    scene,
    spread,
    write,
)
from segloop.imaging.dicom.result import DISCLAIMER, Form, Origin
from segloop.imaging.dicom.segments import present
from segloop.imaging.dicom.series import Series
from segloop.imaging.labels import Label

_BOX, _COLUMNS, _FOOT = (480, 480), 3, 84
_LETTERS, _ROOM = 24, 420
"""How much of a label's name is shown, and the pixels that such a name and "and 99 more" need."""


def make_capture(
    series: Series,
    hu: NDArray[Any],
    mask: NDArray[np.integer[Any]],
    labels: Sequence[Label],
    origin: Origin,
) -> pydicom.Dataset:
    """Return one picture of four axial slices, a coronal and a sagittal one with a mask (x, y, z) on a series' grid.

    `hu` is the CT on the same grid. What made the mask and that it is not for diagnosis is burnt in; nothing that tells the
    patient is, beside what the CT says is burnt into its own slices (Burned In Annotation). A mask without any label shows the CT and says so. The same input gives the same object, byte for byte.

    Raises:
        InvalidInput: `mask_grid` for another shape.
    """
    there = present(series, mask, labels)
    sheet = _sheet(scene(hu, mask, series.geometry, labels), there, origin)
    found = SCImage.from_ref_dataset(
        series.headers[0],
        pixel_array=np.asarray(sheet),
        photometric_interpretation=PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        # The first picture's; the others state theirs at their edges.
        patient_orientation=("L", "P"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set=UTF_8,
        **identity(series, origin, Form.CAPTURE),
    )
    finish(found, series, origin, Form.CAPTURE)
    found.DateOfSecondaryCapture, found.TimeOfSecondaryCapture = found.ContentDate, found.ContentTime
    found.ConversionType = "SYN"
    found.Laterality = ""  # asked for where the source names a body part of which there are two
    # Of what identifies the patient: nothing is added, and the CT's own pixels are shown.
    found.BurnedInAnnotation = "YES" if says_burned_in(series.headers) else "NO"
    found.ImageComments = f"{origin.statement}. {DISCLAIMER}"
    found.SourceImageSequence = [reference(header) for header in series.headers]
    return found


def _sheet(shown: Scene, there: Sequence[Label], origin: Origin) -> Image.Image:
    places = [(AXIAL, at) for at in spread(shown, AXIAL, 4)]
    places += [(plane, fullest(shown, plane)) for plane in (CORONAL, SAGITTAL)]
    rows = -(-len(places) // _COLUMNS)
    found = Image.new("RGB", (_COLUMNS * _BOX[0], rows * _BOX[1] + _FOOT))
    for number, (plane, at) in enumerate(places):
        one = picture(shown, plane, at, box=_BOX)
        caption(one, f"{NAMES[plane]} {at + 1}/{shown.mask.shape[plane]}")
        found.paste(one, (number % _COLUMNS * _BOX[0], number // _COLUMNS * _BOX[1]))
    top = rows * _BOX[1]
    model = f" Model {origin.model}." * bool(origin.model)
    write(found, (8, top + 6), f"{DISCLAIMER} {origin.statement}.{model}", size=18)
    x = 8.0
    for number, label in enumerate(there):
        if x > found.width - _ROOM:
            write(found, (x, top + 46), f"and {len(there) - number} more", size=16)
            break
        x = write(found, (x, top + 46), label.name[:_LETTERS], size=16, color=label.rgb) + 18
    if not there:
        write(found, (x, top + 46), "No label was found.", size=16)
    return found
