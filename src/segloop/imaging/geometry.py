"""The grid of an image: the contract that nothing is ever mirrored or shifted.

World coordinates are RAS+ mm, as in NIfTI: x grows towards the patient's right,
y towards anterior, z towards superior.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, TypeVar

import nibabel.orientations as nio
import numpy as np
from numpy.typing import NDArray

from segloop.errors import InvalidInput

ORTHOGONAL_TOLERANCE = 1e-3
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Geometry:
    """A voxel grid: `shape` (x, y, z) and `affine`, 4x4, voxel index to world RAS+ mm.

    `stated_mm` is the voxel size that a file states apart from its affine. Of an oblique affine in single precision the
    size is the same but for its last bits, and those decide how nnU-Net resamples: its readers take what is stated.

    Raises:
        InvalidInput: `singular_affine` when voxels have no volume or a value is not finite,
            `sheared_affine` when the axes are not at right angles.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    stated_mm: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        affine.flags.writeable = False
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        _check(affine)

    @classmethod
    def from_flat(
        cls, shape: Sequence[int], affine: Sequence[float], stated_mm: Sequence[float] | None = None
    ) -> "Geometry":
        """Return the grid of three sizes, the sixteen row-major numbers of an affine and what was stated."""
        stated = None if stated_mm is None else (stated_mm[0], stated_mm[1], stated_mm[2])
        return cls((shape[0], shape[1], shape[2]), np.array(affine, dtype=np.float64).reshape(4, 4), stated)

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size in mm along each array axis: as stated, else the affine's."""
        if self.stated_mm is not None:
            return self.stated_mm
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def orientation(self) -> str:
        """Nearest anatomical direction in which each array axis grows, such as "RAS" or "LPS"."""
        return "".join(nio.aff2axcodes(self.affine))

    def corners_mm(self) -> NDArray[np.float64]:
        """Return the world coordinates (8, 3) of the corner voxels' centres."""
        ends = np.array([*product(*((0, n - 1) for n in self.shape))], dtype=np.float64)
        return ends @ self.affine[:3, :3].T + self.affine[:3, 3]

    def same_grid(self, other: "Geometry", *, tolerance_mm: float = 1e-3) -> bool:
        """Say whether shapes are equal and all eight corner voxels agree within `tolerance_mm`."""
        if self.shape != other.shape:
            return False
        return bool(np.abs(self.corners_mm() - other.corners_mm()).max() <= tolerance_mm)


def reorient(array: NDArray[T], geometry: Geometry, orientation: str) -> tuple[NDArray[T], Geometry]:
    """Permute and flip an (x, y, z) array so that its axes grow towards `orientation`; no value changes.

    Returns a view and its grid: each voxel keeps its place in the world. The way back is `restore`, and not this function:
    where an axis lies halfway between two directions (at 45 degrees) the turned grid may be named otherwise.

    Raises:
        InvalidInput: `orientation_invalid`.
    """
    change: NDArray[Any] = nio.ornt_transform(nio.io_orientation(geometry.affine), _axes(orientation))
    moved = nio.apply_orientation(array, change)
    affine = geometry.affine @ nio.inv_ornt_aff(change, geometry.shape)
    stated = geometry.stated_mm
    if stated is not None:
        old_of = {int(new): old for old, new in enumerate(change[:, 0])}
        stated = (stated[old_of[0]], stated[old_of[1]], stated[old_of[2]])
    return moved, Geometry((moved.shape[0], moved.shape[1], moved.shape[2]), affine, stated)


def restore(array: NDArray[T], geometry: Geometry, orientation: str) -> NDArray[T]:
    """Return an array on `reorient(..., geometry, orientation)`'s grid as a view (x, y, z) on `geometry` itself.

    Exactly the way back, whatever the affine.

    Raises:
        InvalidInput: `orientation_invalid`, `mask_grid` when the array is of another shape.
    """
    change: NDArray[Any] = nio.ornt_transform(_axes(orientation), nio.io_orientation(geometry.affine))
    back: NDArray[T] = nio.apply_orientation(array, change)
    if back.shape != geometry.shape:
        raise InvalidInput(
            "mask_grid", f"The array turned back has shape {back.shape}, its grid {geometry.shape}."
        )
    return back


def _axes(orientation: str) -> NDArray[Any]:
    try:
        target: NDArray[Any] = nio.axcodes2ornt(tuple(orientation))
        if sorted(target[:, 0]) != [0, 1, 2]:
            raise ValueError
    except (ValueError, KeyError, IndexError):
        raise InvalidInput(
            "orientation_invalid", f"'{orientation}' is not an orientation such as RAS."
        ) from None
    return target


def _check(affine: NDArray[np.float64]) -> None:
    singular = InvalidInput(
        "singular_affine",
        "The file's position matrix is broken (its voxels have no volume). Export the CT again.",
    )
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise singular
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if (lengths < 1e-6).any() or not np.array_equal(affine[3], [0, 0, 0, 1]):
        raise singular
    axes = affine[:3, :3] / lengths
    if abs(np.linalg.det(axes)) < 1e-6:
        raise singular
    if np.abs(axes.T @ axes - np.eye(3)).max() > ORTHOGONAL_TOLERANCE:
        raise InvalidInput(
            "sheared_affine",
            "The file's axes are not at right angles (gantry tilt or shear). Resample it first.",
        )
