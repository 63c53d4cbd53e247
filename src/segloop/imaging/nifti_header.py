"""The header of a NIfTI file, judged before any voxel is read: every refusal has a code and says what to do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from segloop.errors import InvalidInput
from segloop.imaging import nifti_affine, nifti_stream
from segloop.imaging.geometry import Geometry

MAX_VOXELS = 2**30
MAX_UNPACKED_BYTES = 4 * 2**30
MAX_RATIO = 200.0
_RATIO_FREE_BYTES = 64 << 20
_DEFLATE_LIMIT = 1032  # no gzip file holds more than this times its size
_MAX_EXTENSION_BYTES = 16 << 20
_MAX_SIDE = 32767
RawHeader = Any  # nibabel's header class, which has no types
_KINDS: dict[int, RawHeader] = {348: nib.nifti1.Nifti1Header, 540: nib.nifti2.Nifti2Header}
_DTYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}


@dataclass(frozen=True)
class NiftiHeader:
    """A header that passed every check; `raw` is its bytes as they were, for `write_mask`.

    `dtype` is the stored type in the file's byte order. HU = stored * `slope` + `inter`.
    """

    raw: bytes
    geometry: Geometry
    dtype: np.dtype[np.generic]
    slope: float
    inter: float
    offset_bytes: int

    @property
    def n_voxels(self) -> int:
        """The number of voxels."""
        return int(np.prod(self.geometry.shape, dtype=np.int64))

    @property
    def body_bytes(self) -> int:
        """The number of bytes of voxels, unpacked."""
        return self.n_voxels * self.dtype.itemsize


def read_header(path: Path, *, max_ratio: float = MAX_RATIO) -> NiftiHeader:
    """Read and check a NIfTI-1 or -2 header, plain or gzip, either byte order, whatever the file is called.

    The affine is the sform's where its code is set, else the qform's. Trailing axes of length 1 are dropped.

    Raises:
        InvalidInput: `empty_file`, `not_nifti`, `truncated`, `corrupt_gzip`, `not_three_dimensional`,
            `zero_dimension`, `too_many_voxels`, `unsupported_datatype`, `bad_vox_offset`, `bad_spacing`,
            `no_orientation`, `singular_affine`, `sheared_affine`, `affine_conflict`, `not_finite`,
            `decompression_bomb`.
    """
    raw = nifti_stream.head(path, 540)
    header = parse(raw)
    shape = _shape(header)
    code = int(header["datatype"])
    if code not in _DTYPES:
        raise InvalidInput(
            "unsupported_datatype",
            f"Voxels of NIfTI type {code} (colour, complex or unknown) aren't a CT. Export one number per voxel.",
        )
    slope, inter = _scaling(header)
    checked = NiftiHeader(
        raw=raw[: int(header["sizeof_hdr"])],
        geometry=Geometry(shape, nifti_affine.affine_of(header, shape), _stated_mm(header)),
        dtype=np.dtype(_DTYPES[code]).newbyteorder(header.endianness),
        slope=slope,
        inter=inter,
        offset_bytes=_offset(header),
    )
    _check_size(path, checked, max_ratio)
    return checked


def _stated_mm(header: RawHeader) -> tuple[float, float, float]:
    x, y, z = header["pixdim"][1:4]
    return float(x), float(y), float(z)


def parse(raw: bytes) -> RawHeader:
    """Return nibabel's header of a file's first bytes; raises `empty_file`, `truncated` or `not_nifti`."""
    if not raw:
        raise InvalidInput("empty_file", "The file is empty. Export it again and upload the new copy.")
    for order, name in (("<", "little"), (">", "big")):
        size = int.from_bytes(raw[:4], "little" if name == "little" else "big")
        if size not in _KINDS:
            continue
        if len(raw) < size:
            raise nifti_stream.truncated("it ends within its header")
        magic = raw[344:348] if size == 348 else raw[4:12]
        if magic in (b"n+1\0", b"n+2\0\r\n\x1a\n"):
            return _KINDS[size](raw[:size], endianness=order, check=False)
        if magic[:3] in (b"ni1", b"ni2"):
            raise InvalidInput(
                "not_nifti", "This is half of a .hdr/.img pair. Convert it to one .nii.gz file."
            )
    if raw[128:132] == b"DICM":
        raise InvalidInput(
            "not_nifti", "This is a DICOM slice, not NIfTI. Convert the series to .nii.gz first."
        )
    raise InvalidInput("not_nifti", "This isn't a NIfTI file. Upload a .nii or .nii.gz file.")


def _shape(header: RawHeader) -> tuple[int, int, int]:
    n_axes = int(header["dim"][0])
    if not 1 <= n_axes <= 7:
        raise InvalidInput(
            "not_nifti", f"The header claims {n_axes} axes; it is damaged. Export the file again."
        )
    sides = [int(side) for side in header["dim"][1 : n_axes + 1]]
    if min(sides) < 1:
        raise InvalidInput("zero_dimension", f"The image has no voxels: its header says {_times(sides)}.")
    while len(sides) > 3 and sides[-1] == 1:
        sides.pop()
    if len(sides) != 3:
        raise InvalidInput(
            "not_three_dimensional",
            f"The image is {_times(sides)}; a CT has three axes. Export a single volume, without time or channels.",
        )
    n_voxels = sides[0] * sides[1] * sides[2]
    if n_voxels > MAX_VOXELS or max(sides) > _MAX_SIDE:
        raise InvalidInput(
            "too_many_voxels",
            f"The header claims {_times(sides)} = {n_voxels:,} voxels; the limit is {MAX_VOXELS:,}. Crop or resample it.",
        )
    return sides[0], sides[1], sides[2]


def _scaling(header: RawHeader) -> tuple[float, float]:
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or np.isnan(slope):
        return (
            1.0,
            0.0,
        )  # NIfTI: "if scl_slope is zero, there is no scaling", and NaN is how nibabel writes that
    if not (np.isfinite(slope) and np.isfinite(inter)):
        raise InvalidInput("not_finite", "The header scales voxel values by an infinite or undefined number.")
    return slope, inter


def _offset(header: RawHeader) -> int:
    offset, least = float(header["vox_offset"]), int(header["sizeof_hdr"]) + 4
    if not (np.isfinite(offset) and offset.is_integer() and least <= offset <= least + _MAX_EXTENSION_BYTES):
        raise InvalidInput(
            "bad_vox_offset",
            f"The header says voxels start at byte {offset:g}, which can't be. Export the file again.",
        )
    return int(offset)


def _check_size(path: Path, header: NiftiHeader, max_ratio: float) -> None:
    needed, there = header.offset_bytes + header.body_bytes, path.stat().st_size
    if not nifti_stream.is_gzip(path):
        if there < needed:
            raise nifti_stream.truncated(f"it has {there:,} of the {needed:,} bytes its header announces")
        return
    if needed > there * _DEFLATE_LIMIT + _RATIO_FREE_BYTES:
        raise nifti_stream.truncated(
            f"{there:,} compressed bytes can't hold the {needed:,} its header announces"
        )
    if needed > MAX_UNPACKED_BYTES or (needed > _RATIO_FREE_BYTES and needed > there * max_ratio):
        raise InvalidInput(
            "decompression_bomb",
            f"The file would unpack from {there:,} to {needed:,} bytes, more than a real CT does. Upload it uncompressed.",
        )


def _times(sides: list[int]) -> str:
    return " x ".join(str(side) for side in sides)
