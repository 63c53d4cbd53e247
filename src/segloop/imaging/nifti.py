"""NIfTI in and out: inspect a CT without holding it, load it in HU, and write masks on exactly its grid."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging import hounsfield, nifti_stream
from segloop.imaging.geometry import Geometry
from segloop.imaging.nifti_header import NiftiHeader, RawHeader, parse, read_header

try:  # three times as fast, and optional
    from isal import igzip

    _gzip: Any = igzip.IGzipFile
except ImportError:
    _gzip = gzip.GzipFile

__all__ = [
    "NOTICE",
    "Inspection",
    "NiftiHeader",
    "inspect",
    "load",
    "load_mask",
    "read_header",
    "write_mask",
]

NOTICE = "Research use only. Not a medical device. AI-generated."
_HEADER: RawHeader = nib.nifti1.Nifti1Header
_SLAB_VOXELS = 1 << 20
_FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Inspection:
    """What a file holds. HU are after slope, intercept and the stated offset; percentiles have keys like "p50".

    `hu_like` is judged from the values; where it is False, `not_hu_reason` says why and the caller decides.
    """

    geometry: Geometry
    dtype: str
    slope: float
    inter: float
    hu_min: float
    hu_max: float
    hu_percentiles: dict[str, float]
    hu_like: bool
    not_hu_reason: str
    n_voxels: int


def inspect(path: Path, *, hu_offset: float = 0) -> Inspection:
    """Read a whole file once, in slabs, and measure it; memory stays flat whatever its size.

    `hu_offset` is added to every value first, for a CT whose stored numbers are shifted (-1024 for 0..4095).
    Percentiles are exact for up to 16 bits and to 1 HU beyond.

    Raises:
        InvalidInput: as `read_header`, and `truncated`, `corrupt_gzip` and `not_finite` in the voxels.
    """
    header = read_header(path)
    inter = header.inter + hu_offset
    found = hounsfield.Distribution(header.dtype, header.slope, inter)
    for slab in _finite_slabs(path, header):
        found.add(slab)
    values, counts = found.in_hu()
    low, high = found.extremes()
    plain_8_bit = header.dtype.itemsize == 1 and header.slope == 1 and inter == 0
    reason = hounsfield.why_not_hu(values, counts, is_plain_8_bit=plain_8_bit)
    return Inspection(
        geometry=header.geometry,
        dtype=header.dtype.name,
        slope=header.slope,
        inter=header.inter,
        hu_min=low,
        hu_max=high,
        hu_percentiles={
            f"p{percent:g}": hounsfield.percentile(values, counts, percent)
            for percent in hounsfield.PERCENTILES
        },
        hu_like=not reason,
        not_hu_reason=reason,
        n_voxels=header.n_voxels,
    )


def load(path: Path, hu_offset: float = 0) -> tuple[NDArray[np.int16] | NDArray[np.float32], Geometry]:
    """Return the volume in HU, shape (x, y, z) with x fastest in memory, and its geometry.

    HU = stored * slope + intercept + `hu_offset`; int16 where stored numbers, slope and offsets are integers and
    every HU fits, else float32.

    Raises:
        InvalidInput: as `inspect`.
    """
    header = read_header(path)
    inter = header.inter + hu_offset
    exact = header.dtype.kind in "iu" and header.slope.is_integer() and float(inter).is_integer()
    hu: NDArray[Any] = np.empty(header.n_voxels, np.int16 if exact else np.float32)
    # Whole numbers of 16 bits stay exact in 32 with the usual slopes; 64-bit floats take three times as long.
    small = exact and header.dtype.itemsize <= 2 and max(abs(header.slope), abs(inter)) < 1 << 14
    wide, slope, add = (
        (np.int32, int(header.slope), int(inter)) if small else (np.float64, header.slope, inter)
    )
    at = 0
    for slab in _finite_slabs(path, header):
        values: NDArray[Any] = slab.astype(wide)
        values *= slope
        values += add
        if hu.dtype == np.int16 and (values.min() < -32768 or values.max() > 32767):
            hu = hu.astype(np.float32)
        hu[at : at + len(values)] = values
        at += len(values)
    return hu.reshape(header.geometry.shape, order="F"), header.geometry


def load_mask(path: Path) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], Geometry]:
    """Return label indices, shape (x, y, z), as uint8 or, above 255, uint16, and their geometry.

    A mask may compress a thousandfold, so only its unpacked size is limited: compare `read_header(...).geometry`
    with the volume's first.

    Raises:
        InvalidInput: `not_a_mask` where a value isn't an integer of 0 to 65535; else as `inspect`.
    """
    header = read_header(path, max_ratio=np.inf)
    labels = np.empty(header.n_voxels, np.uint16)
    at = 0
    for slab in _finite_slabs(path, header):
        values = slab.astype(np.float64) * header.slope + header.inter
        if values.min() < 0 or values.max() > 65535 or not np.array_equal(values, np.rint(values)):
            raise InvalidInput(
                "not_a_mask", "The file isn't a mask: it has values other than whole numbers from 0 to 65535."
            )
        labels[at : at + len(values)] = values
        at += len(values)
    narrow = labels.astype(np.uint8) if labels.max() <= 255 else labels
    return narrow.reshape(header.geometry.shape, order="F"), header.geometry


def write_mask(
    path: Path, array: NDArray[np.integer], geometry: Geometry, template: bytes | None = None
) -> None:
    """Write label indices (x, y, z) as NIfTI-1 gzip (level 1), uint8 or uint16, little-endian, reproducibly.

    sform and qform both state the affine. `template` is the volume's `NiftiHeader.raw`: where it says the same
    affine, its numbers are copied bit for bit; none of its texts are.

    Raises:
        InvalidInput: `grid_mismatch` where the array doesn't have the geometry's shape; `not_a_mask` where an
            index is outside 0 to 65535.
    """
    if array.shape != tuple(geometry.shape):
        raise InvalidInput("grid_mismatch", f"The mask is {array.shape}, its volume {tuple(geometry.shape)}.")
    if array.min() < 0 or array.max() > 65535:
        raise InvalidInput("not_a_mask", "Label indices must be whole numbers from 0 to 65535.")
    dtype = np.dtype("<u1" if array.max() <= 255 else "<u2")
    header = _mask_header(geometry, dtype, template)
    with path.open("wb") as file, gzip_writer(file) as packed:
        packed.write(header.binaryblock + bytes(4))
        depth = max(1, _SLAB_VOXELS // (array.shape[0] * array.shape[1]))
        for z in range(0, array.shape[2], depth):
            packed.write(array[:, :, z : z + depth].astype(dtype).tobytes(order="F"))


def _finite_slabs(path: Path, header: NiftiHeader) -> Iterator[NDArray[np.generic]]:
    """Yield stored values in native byte order, x fastest; count what isn't finite and raise at the end."""
    native = header.dtype.newbyteorder("=")
    may_overflow = native.kind == "f" or max(abs(header.slope), abs(header.inter)) > 1e18
    n_bad = 0
    for data in nifti_stream.body(
        path, header.offset_bytes, header.body_bytes, _SLAB_VOXELS * header.dtype.itemsize
    ):
        slab = np.frombuffer(data, header.dtype).astype(native, copy=False)
        if may_overflow:
            with np.errstate(over="ignore", invalid="ignore"):
                bad = ~(np.abs(slab.astype(np.float64) * header.slope + header.inter) < _FLOAT32_MAX)
            n_bad += int(bad.sum())
        if not n_bad:
            yield slab
    if n_bad:
        raise InvalidInput(
            "not_finite",
            f"{n_bad:,} of {header.n_voxels:,} voxels are not finite numbers (NaN, infinite or overflowing). "
            "Replace them, for air by -1000, and upload again.",
            n_voxels=n_bad,
        )


def _mask_header(geometry: Geometry, dtype: np.dtype[np.generic], template: bytes | None) -> RawHeader:
    affine = np.asarray(geometry.affine, np.float64)
    header = _HEADER(endianness="<")
    header.set_data_shape(geometry.shape)
    header.set_data_dtype(dtype)
    header.set_xyzt_units("mm")
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=1, strip_shears=True)  # also sets pixdim
    source = parse(template) if template else None
    if source is not None:
        for kind in ("sform", "qform"):
            _copy_affine(source, header, kind, affine)
    header["descrip"] = NOTICE.encode()
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    header["scl_slope"], header["scl_inter"] = 1, 0
    return header


def _copy_affine(source: RawHeader, header: RawHeader, kind: str, affine: NDArray[np.float64]) -> None:
    """Take over the source's own numbers for one of the two affines, if they mean this affine."""
    code = int(source[f"{kind}_code"])
    if code <= 0:
        return
    theirs = source.get_sform() if kind == "sform" else source.get_qform()
    if not np.allclose(theirs, affine, rtol=0, atol=1e-3):
        return
    fields = ["srow_x", "srow_y", "srow_z"]
    if kind == "qform":
        fields = ["quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"]
        header["pixdim"][:4] = source["pixdim"][:4]
    for name in [*fields, f"{kind}_code"]:
        header[name] = source[name]


def gzip_writer(file: BinaryIO) -> BinaryIO:
    """Return a file that packs what is written into another, the same bytes each time."""
    return cast(BinaryIO, _gzip(filename="", mode="wb", compresslevel=1, fileobj=file, mtime=0))
