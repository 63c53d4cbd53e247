"""The voxels of a DICOM series in HU, slice by slice with each one's own rescale, and the NIfTI that the rest works on."""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging.dicom.archive import Header
from segloop.imaging.dicom.series import Series
from segloop.imaging.packed import Buffer, pack, write_gzip

_OFFSET = 352
"""Where the voxels of a NIfTI-1 file begin that has no extensions."""


@dataclass(frozen=True)
class Slice:
    """A slice in HU (y, x), int16, and the same packed for a gzip file."""

    hu: NDArray[np.int16]
    packed: bytes


Slices = MutableMapping[str, Slice]
"""Slices that were read beforehand, by the name of their file; whoever uses one takes it out."""


def read_slice(header: Header) -> Slice | None:
    """Return a slice in HU, or None where its values are no whole numbers of int16.

    Raises:
        InvalidInput: as `read_hu`.
    """
    shape = (int(header.Rows), int(header.Columns))
    slope, intercept = float(header.RescaleSlope), float(header.RescaleIntercept)
    if not (slope.is_integer() and intercept.is_integer()):
        return None
    hu = _whole(_pixels(Path(str(header.filename)), shape), slope, intercept)
    return None if hu is None else Slice(hu, pack(hu.astype("<i2", copy=False).data))


def read_hu(series: Series, ready: Slices | None = None) -> NDArray[np.int16] | NDArray[np.float32]:
    """Return the volume in HU (x, y, z), x fastest in memory: int16 where every value is a whole number of its range.

    HU = stored * RescaleSlope + RescaleIntercept of each slice (DICOM PS3.3 C.11.1). Pixels outside the reconstruction
    (PixelPaddingValue) keep what they state.

    What `ready` has of the series is not read again.

    Raises:
        InvalidInput: `dicom_pixels` where a slice can't be decoded or is of another size.
    """
    width, height, depth = series.geometry.shape
    rescales = [(float(one.RescaleSlope), float(one.RescaleIntercept)) for one in series.headers]
    is_whole = all(value.is_integer() for pair in rescales for value in pair)
    volume: NDArray[Any] = np.empty((depth, height, width), np.int16 if is_whole else np.float32)
    for z, header in enumerate(series.headers):
        known = (ready or {}).get(str(header.filename))
        if known is not None and volume.dtype == np.int16:
            volume[z] = known.hu
            continue
        stored = _pixels(Path(str(header.filename)), (height, width))
        hu = _whole(stored, *rescales[z]) if volume.dtype == np.int16 else None
        if hu is not None:
            volume[z] = hu
        else:
            volume = volume.astype(np.float32, copy=False)
            slope, intercept = rescales[z]
            volume[z] = stored.astype(np.float64) * slope + intercept
    return volume.transpose(2, 1, 0)


def write_nifti(path: Path, series: Series, ready: Slices | None = None) -> str:
    """Write a series as a gzipped NIfTI in HU on exactly its grid; no text of the headers is kept.

    Returns the SHA-256 of the NIfTI before it is packed: reproducible, whatever packs it. What `ready` has of the series is
    used and taken out.
    """
    ready = {} if ready is None else ready
    volume = read_hu(series, ready)
    image = nib.Nifti1Image(volume, series.geometry.affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    image.set_sform(series.geometry.affine, code=1)  # type: ignore[no-untyped-call]
    image.set_qform(series.geometry.affine, code=1)  # type: ignore[no-untyped-call]
    image.update_header()  # type: ignore[no-untyped-call]
    image.header["vox_offset"] = _OFFSET
    image.header.set_slope_inter(1, 0)  # type: ignore[no-untyped-call]
    head = image.header.binaryblock.ljust(_OFFSET, b"\0")  # type: ignore[attr-defined]
    slices = np.ascontiguousarray(volume.T).astype(volume.dtype.newbyteorder("<"), copy=False)
    digest = sha256()

    def pieces() -> Iterator[tuple[Buffer, bytes]]:
        digest.update(head)
        yield head, pack(head)
        for header, values in zip(series.headers, slices, strict=True):
            digest.update(values.data)
            known = ready.pop(str(header.filename), None)
            is_packed = known is not None and volume.dtype == np.int16
            yield values.data, known.packed if known is not None and is_packed else pack(values.data)

    with path.open("wb") as file:
        write_gzip(file, pieces())
    return digest.hexdigest()


def _whole(stored: NDArray[Any], slope: float, intercept: float) -> NDArray[np.int16] | None:
    """Return stored values in HU where the rescale is of whole numbers; None where one is outside of int16."""
    low, high = (int(value) * slope + intercept for value in (stored.min(), stored.max()))
    if min(low, high) < -32768 or max(low, high) > 32767:
        return None
    # Modulo 2^16 on the way, exact at its end: every value fits, as just seen.
    factor, offset = (np.int64(value).astype(np.int16) for value in (slope, intercept))
    hu: NDArray[np.int16] = np.multiply(stored, factor, dtype=np.int16, casting="unsafe")
    hu += offset
    return hu


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
