"""A small picture of a volume, for lists."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segloop.imaging.geometry import Geometry

MAX_PIXELS = 160
_LOW_HU, _HIGH_HU = -160.0, 240.0
_FLAT_MM = 60.0
"""A volume that is lower than this is shown in its axial plane: a coronal one would be a stripe."""


def thumbnail(array: NDArray[np.generic], geometry: Geometry, *, is_hu_like: bool) -> bytes:
    """Return a PNG of the middle coronal slice of an (x, y, z) array in RAS order, or of the axial one if it is flat.

    Radiological convention: the patient's right is on the left. At most 160 pixels either way, in true proportions;
    a soft tissue window for HU, else the 1st to 99th percentile.
    """
    spacing = geometry.spacing_mm
    if geometry.shape[2] * spacing[2] < _FLAT_MM:
        plane, steps = array[:, :, geometry.shape[2] // 2], (spacing[0], spacing[1])
    else:
        plane, steps = array[:, geometry.shape[1] // 2, :], (spacing[0], spacing[2])
    values = plane.astype(np.float32)
    low, high = (_LOW_HU, _HIGH_HU) if is_hu_like else np.percentile(values, (1, 99))
    gray = np.clip((values - low) / max(float(high - low), 1e-6), 0, 1) * 255
    # Rows from top (superior, or anterior) to bottom, columns from the patient's right to the left.
    picture = Image.fromarray(np.rint(gray.T[::-1, ::-1]).astype(np.uint8), "L")
    size_mm = [n * float(step) for n, step in zip(plane.shape, steps, strict=True)]
    scale = MAX_PIXELS / max(size_mm)
    width, height = (max(1, round(mm * scale)) for mm in size_mm)
    file = io.BytesIO()
    picture.resize((width, height), Image.Resampling.BILINEAR).save(file, "PNG", optimize=True)
    return file.getvalue()
