"""Where a NIfTI header places its voxels: sform, qform and pixdim must be sound and agree."""

from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from segloop.errors import InvalidInput

RawHeader = Any  # nibabel's header class, which has no types
_HEADER: RawHeader = nib.nifti1.Nifti1Header
_SPACING_MM = (0.05, 50.0)
_SKEW = 1e-3
_CORNER_VOXELS = 1e-3


def affine_of(header: RawHeader, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return the 4 x 4 affine, voxel -> RAS+ mm: the sform's where its code is set, else the qform's.

    Raises:
        InvalidInput: `bad_spacing`, `no_orientation`, `singular_affine`, `sheared_affine`, `affine_conflict`.
    """
    with np.errstate(invalid="ignore"):  # a signalling NaN complains when it is widened; it is refused below
        pixdim_mm = np.asarray(header["pixdim"][1:4], np.float64)
    _check_spacing(pixdim_mm)
    sform, qform = _sform(header), _qform(header)
    affine = qform if sform is None else sform
    if affine is None:
        raise InvalidInput(
            "no_orientation",
            "The file doesn't say how it lies in the patient (sform and qform codes are 0), so left and right would be "
            "a guess. Convert it again from DICOM.",
        )
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    _check_spacing(spacing_mm)
    if np.abs(spacing_mm / pixdim_mm - 1).max() > 0.01:
        raise _conflict(f"its affine has voxels of {_mm(spacing_mm)}, its pixdim of {_mm(pixdim_mm)}")
    if sform is not None and qform is not None:
        apart = _corners_apart(sform, qform, shape)
        # A qform holds a rotation in three float32 numbers: it can't follow the sform closer than its own best fit.
        if apart > _CORNER_VOXELS + 2 * _corners_apart(sform, _best_qform(sform), shape):
            raise _conflict(f"its sform and qform put a corner {apart:.3g} voxels apart")
    return affine


def _sform(header: RawHeader) -> NDArray[np.float64] | None:
    if int(header["sform_code"]) <= 0:
        return None
    with np.errstate(invalid="ignore"):
        affine = np.asarray(header.get_sform(), np.float64)
    if not np.isfinite(affine).all():
        raise _singular("its sform has numbers that are not finite")
    length = np.linalg.norm(affine[:3, :3], axis=0)
    if length.min() < 1e-6 or abs(np.linalg.det(affine[:3, :3] / length)) < 1e-3:
        raise _singular("its sform flattens the image")
    axes = affine[:3, :3] / length
    skew = np.abs(axes.T @ axes - np.eye(3)).max()
    if skew > _SKEW:
        raise InvalidInput(
            "sheared_affine",
            f"The image axes aren't at right angles (off by {np.degrees(np.arcsin(min(1.0, skew))):.2g} degrees; a "
            "tilted gantry does this). Resample it to a straight grid and upload that.",
        )
    return affine


def _qform(header: RawHeader) -> NDArray[np.float64] | None:
    if int(header["qform_code"]) <= 0:
        return None
    header = header.copy()
    if header["pixdim"][0] == 0:
        header["pixdim"][0] = 1  # NIfTI: qfac 0 means 1
    try:
        # A signalling NaN in a hostile header makes the cast warn; the check for finite numbers follows.
        with np.errstate(invalid="ignore"):
            affine = np.asarray(header.get_qform(), np.float64)
    except (HeaderDataError, ValueError) as error:
        raise _singular("its qform is no rotation") from error
    if not np.isfinite(affine).all():
        raise _singular("its qform has numbers that are not finite")
    return affine


def _best_qform(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    probe = _HEADER()
    probe.set_qform(affine, code=1, strip_shears=True)
    return np.asarray(probe.get_qform(), np.float64)


def _corners_apart(
    one: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, int, int]
) -> float:
    """Return how far, in voxels of `one`, the same corner voxel lies apart under the two affines, at most."""
    corners = np.array(
        [(x, y, z, 1) for x in (0, shape[0] - 1) for y in (0, shape[1] - 1) for z in (0, shape[2] - 1)]
    )
    apart = (corners @ (other - one).T)[:, :3] @ np.linalg.inv(one[:3, :3]).T
    return float(np.abs(apart).max())


def _check_spacing(spacing_mm: NDArray[np.float64]) -> None:
    low, high = _SPACING_MM
    if not (np.isfinite(spacing_mm).all() and spacing_mm.min() >= low and spacing_mm.max() <= high):
        raise InvalidInput(
            "bad_spacing",
            f"The header says voxels of {_mm(spacing_mm)}; a CT has {low:g} to {high:g} mm. Correct the header's units.",
        )


def _singular(what: str) -> InvalidInput:
    return InvalidInput(
        "singular_affine", f"The file doesn't place its voxels in space: {what}. Convert it again from DICOM."
    )


def _conflict(what: str) -> InvalidInput:
    return InvalidInput(
        "affine_conflict",
        f"The file contradicts itself: {what}. Convert it again from DICOM, or repair the header.",
    )


def _mm(spacing_mm: NDArray[np.float64]) -> str:
    return " x ".join(f"{side:.4g}" for side in spacing_mm) + " mm"
