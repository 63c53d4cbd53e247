"""The voxels of a DICOM series in HU, slice by slice with each one's own rescale, and the NIfTI that the rest works on."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging.dicom.series import Series

_OFFSET = 352
"""Where the voxels of a NIfTI-1 file begin that has no extensions."""


def read_hu(series: Series) -> NDArray[np.int16] | NDArray[np.float32]:
    """Return the volume in HU (x, y, z), x fastest in memory: int16 where every value is a whole number of its range.

    HU = stored * RescaleSlope + RescaleIntercept of each slice (DICOM PS3.3 C.11.1). Pixels outside the reconstruction
    (PixelPaddingValue) keep what they state.

    Raises:
        InvalidInput: `dicom_pixels` where a slice can't be decoded or is of another size.
    """
    width, height, depth = series.geometry.shape
    slopes = [float(header.RescaleSlope) for header in series.headers]
    intercepts = [float(header.RescaleIntercept) for header in series.headers]
    is_whole = all(value.is_integer() for value in (*slopes, *intercepts))
    volume: NDArray[Any] = np.empty((depth, height, width), np.int16 if is_whole else np.float32)
    for z, header in enumerate(series.headers):
        stored = _pixels(Path(str(header.filename)), (height, width))
        low, high = (int(value) * slopes[z] + intercepts[z] for value in (stored.min(), stored.max()))
        if volume.dtype == np.int16 and (min(low, high) < -32768 or max(low, high) > 32767):
            volume = volume.astype(np.float32)
        if volume.dtype == np.int16:
            # Modulo 2^16 on the way, exact at its end: every value fits, as just seen.
            np.multiply(stored, int(slopes[z]), out=volume[z], dtype=np.int16, casting="unsafe")
            volume[z] += np.int64(intercepts[z]).astype(np.int16)
        else:
            volume[z] = stored.astype(np.float64) * slopes[z] + intercepts[z]
    return volume.transpose(2, 1, 0)


def write_nifti(path: Path, series: Series) -> None:
    """Write a series as an uncompressed NIfTI in HU on exactly its grid, reproducibly; no text of the headers is kept."""
    volume = read_hu(series)
    image = nib.Nifti1Image(volume, series.geometry.affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    image.set_sform(series.geometry.affine, code=1)  # type: ignore[no-untyped-call]
    image.set_qform(series.geometry.affine, code=1)  # type: ignore[no-untyped-call]
    image.update_header()  # type: ignore[no-untyped-call]
    image.header["vox_offset"] = _OFFSET
    image.header.set_slope_inter(1, 0)  # type: ignore[no-untyped-call]
    with path.open("wb") as file:
        file.write(image.header.binaryblock.ljust(_OFFSET, b"\0"))  # type: ignore[attr-defined]
        # The one memory order that a NIfTI has, and the volume's own: nothing is copied.
        file.write(np.ascontiguousarray(volume.T).astype(volume.dtype.newbyteorder("<"), copy=False).data)


def _pixels(file: Path, shape: tuple[int, int]) -> NDArray[Any]:
    try:
        found: NDArray[Any] = pydicom.dcmread(file).pixel_array
    except Exception as error:  # decoders raise what they like
        raise InvalidInput(
            "dicom_pixels", "A slice's pixels can't be decoded; the file is damaged. Export the series again."
        ) from error
    if found.shape != shape:
        raise InvalidInput(
            "dicom_pixels", f"A slice has pixels of {found.shape} and says {shape}. Export the series again."
        )
    return found
