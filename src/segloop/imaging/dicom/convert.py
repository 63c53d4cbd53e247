"""The voxels of a DICOM series in HU, slice by slice with each one's own rescale, and the NIfTI that the rest works on."""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

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


def read_slice(header: Header, file: BinaryIO) -> Slice | None:
    """Return the slice that a file holds in HU, or None where its values are no whole numbers of int16.

    Raises:
        InvalidInput: as `read_hu`.
    """
    shape = (int(header.Rows), int(header.Columns))
    slope, intercept = float(header.RescaleSlope), float(header.RescaleIntercept)
    if not (slope.is_integer() and intercept.is_integer()):
        return None
    hu = _whole(_pixels(file, shape), slope, intercept)
    return None if hu is None else Slice(hu, pack(hu.astype("<i2", copy=False).data))


def read_hu(series: Series) -> NDArray[np.int16] | NDArray[np.float32]:
    """Return the volume in HU (x, y, z), x fastest in memory: int16 where every value is a whole number of its range.

    HU = stored * RescaleSlope + RescaleIntercept of each slice (DICOM PS3.3 C.11.1). Pixels outside the reconstruction
    (PixelPaddingValue) keep what they state.

    Raises:
        InvalidInput: `dicom_pixels` where a slice can't be decoded or is of another size.
    """
    volume: NDArray[Any] = np.stack(_read_slices(series, {}))
    return volume.transpose(2, 1, 0)


def write_nifti(path: Path, series: Series, ready: Slices | None = None) -> str:
    """Write a series as a gzipped NIfTI in HU on exactly its grid; no text of the headers is kept.

    The file appears when it is whole. Returns, a while after that, the SHA-256 of the NIfTI before it is packed: reproducible,
    whatever packs it. What `ready` has of the series is used and taken out.
    """
    ready = {} if ready is None else ready
    slices = _read_slices(series, ready)
    # Of the voxels a header takes shape and type alone.
    shaped = np.broadcast_to(np.zeros((), slices[0].dtype), series.geometry.shape)
    image = nib.Nifti1Image(shaped, series.geometry.affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    image.set_sform(series.geometry.affine, code=1)  # type: ignore[no-untyped-call]
    image.set_qform(series.geometry.affine, code=1)  # type: ignore[no-untyped-call]
    image.update_header()  # type: ignore[no-untyped-call]
    image.header["vox_offset"] = _OFFSET
    image.header.set_slope_inter(1, 0)  # type: ignore[no-untyped-call]
    head = image.header.binaryblock.ljust(_OFFSET, b"\0")  # type: ignore[attr-defined]
    little = [np.ascontiguousarray(one, one.dtype.newbyteorder("<")) for one in slices]

    def pieces() -> Iterator[tuple[Buffer, bytes]]:
        yield head, pack(head)
        for header, values in zip(series.headers, little, strict=True):
            known = ready.pop(str(header.filename), None)
            is_packed = known is not None and values.dtype == np.int16
            yield values.data, known.packed if known is not None and is_packed else pack(values.data)

    draft = path.with_name(f"{path.name}.draft")
    with draft.open("wb") as file:
        write_gzip(file, pieces())
    draft.rename(path)  # who waits for it goes on while the rest is done
    digest = sha256(head)
    for values in little:
        digest.update(values.data)
    return digest.hexdigest()


def _read_slices(series: Series, ready: Slices) -> list[NDArray[np.int16]] | list[NDArray[np.float32]]:
    """Return the slices in HU (y, x) in their order, all of one type as `read_hu`; what `ready` has is not read again."""
    width, height, _ = series.geometry.shape
    found: list[NDArray[Any]] = []
    for header in series.headers:
        known = ready.get(str(header.filename))
        if known is not None:
            found.append(known.hu)
            continue
        stored = _pixels(Path(str(header.filename)), (height, width))
        slope, intercept = float(header.RescaleSlope), float(header.RescaleIntercept)
        is_whole = slope.is_integer() and intercept.is_integer()
        hu = _whole(stored, slope, intercept) if is_whole else None
        found.append((stored.astype(np.float64) * slope + intercept).astype(np.float32) if hu is None else hu)
    if all(one.dtype == np.int16 for one in found):
        return found
    return [one.astype(np.float32, copy=False) for one in found]


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


def _pixels(file: Path | BinaryIO, shape: tuple[int, int]) -> NDArray[Any]:
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
