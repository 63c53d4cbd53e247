"""What tests of imported DICOM masks share: a CT with its packed headers, a mask on it, and how an object is read."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging.dicom.archive import pack_headers, series_in
from segloop.imaging.dicom.import_mask import Imported, import_mask
from segloop.imaging.dicom.series import Series, require_volume
from segloop.imaging.labels import Label, LabelSet
from tests.dicom_series import AXIAL, slices, voxels, write

LABELS = LabelSet(
    (Label(1, "parotid_left"), Label(2, "parotid_right"), Label(4, "something of ours"), Label(9, "liver"))
)
SHAPE = (13, 11, 8)
"""143 pixels: a binary frame ends within a byte."""


def ct(folder: Path, direction: tuple[float, ...] = AXIAL, **values: Any) -> Series:
    """Return a series whose packed headers lie in `folder`."""
    headers = slices(voxels(SHAPE), direction=direction, **values)
    (found,) = series_in(write(folder / "ct", headers))
    series = require_volume(found)
    pack_headers(series.headers, folder / "headers.zip")
    return series


def mask() -> NDArray[np.uint8]:
    """Labels that touch every border, in no symmetric way, with an empty slice between; 9 is nowhere."""
    found = np.zeros(SHAPE, np.uint8)
    found[0:5, 2:4, 0:3], found[8:13, 6:11, 5:8], found[6, 6, 4] = 1, 2, 4
    return found


def read(
    folder: Path, found: pydicom.Dataset | Path, label_map: dict[str, str | None] | None = None
) -> Imported:
    """Import a file, or a data set as one."""
    path = found if isinstance(found, Path) else folder / "object.dcm"
    if not isinstance(found, Path):
        found.save_as(path)
    unpacked = folder / "unpacked"
    unpacked.mkdir(exist_ok=True)
    return import_mask(path, folder / "headers.zip", unpacked, labels=LABELS, label_map=label_map or {})


def refused(folder: Path, found: pydicom.Dataset | Path, **values: Any) -> InvalidInput:
    """Return why an object is refused, by a text that names nobody."""
    with pytest.raises(InvalidInput) as error:
        read(folder, found, **values)
    assert "Jane" not in str(error.value) and "4711" not in str(error.value)
    return error.value
