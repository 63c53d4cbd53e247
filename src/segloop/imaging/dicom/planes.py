"""Where a CT's slices lie in the patient, and which of its voxels a frame or a point of another object means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging.dicom.series import Series

FRAME_MM = 0.01
"""How far a frame's corner may lie from a voxel's centre to be that voxel."""

FAR_MM = 1e5
"""No patient is so large; numbers beyond would only overflow."""


@dataclass(frozen=True)
class Window:
    """The part of one slice that a frame covers, and how the frame's rows and columns run over it.

    `columns` and `rows` are ranges of voxel indices along x and y of slice `z`; reversed ones are said by `flips` (rows, then
    columns of the frame), and where `is_turned` the frame's rows run along x.
    """

    z: int
    columns: slice
    rows: slice
    flips: tuple[bool, bool]
    is_turned: bool

    def place(self, frame: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return a frame (row, column) as (y, x) of the slice: a view."""
        upright = frame[:: -1 if self.flips[0] else 1, :: -1 if self.flips[1] else 1]
        return upright.T if self.is_turned else upright


class Planes:
    """The slices of a series, in millimetres of DICOM's world (LPS+).

    Each slice lies where its own Image Position says (PS3.3 C.7.6.2.1.1); where that strays from an even grid, as far as
    `require_volume` lets it, a position on the even grid is the slice, too.
    """

    def __init__(self, series: Series) -> None:
        lps = series.geometry.affine * np.array([[-1.0], [-1.0], [1.0], [1.0]])
        self.shape = series.geometry.shape
        self.steps: NDArray[np.float64] = lps[:3, :3].copy()
        even = lps[:3, 3] + np.outer(np.arange(self.shape[2]), self.steps[:, 2])
        own = [[float(value) for value in header.ImagePositionPatient] for header in series.headers]
        self._origins: NDArray[np.float64] = np.stack([np.array(own), even])
        self._inverse: NDArray[np.float64] = np.linalg.inv(self.steps)
        self.spacing_mm: NDArray[np.float64] = np.linalg.norm(self.steps, axis=0)

    def points(self, points_mm: NDArray[np.float64]) -> tuple[int, float, NDArray[np.float64]]:
        """Return the slice nearest to points (n, 3), how far at most one lies from it in mm, and their (x, y) in voxels (n, 2).

        The slice is -1 or the number of slices where they lie beyond the first or last by more than half a slice.
        """
        normal = self.steps[:, 2] / self.spacing_mm[2]
        heights, own = points_mm @ normal, self._origins[0] @ normal
        z = int(np.abs(own - heights.mean()).argmin())
        beyond = (heights.mean() - own[z]) / self.spacing_mm[2]
        away = float(min(np.abs(heights - each[z] @ normal).max() for each in self._origins))
        inside = (points_mm - self._origins[0, z]) @ self._inverse.T
        if abs(beyond) > 0.5 and z in (0, self.shape[2] - 1):
            z += int(np.sign(beyond))
        return z, away, inside[:, :2]

    def window(
        self,
        position_mm: Sequence[float],
        orientation: Sequence[float],
        pixel_spacing_mm: Sequence[float],
        shape: tuple[int, int],
    ) -> Window:
        """Return the voxels that are a frame's pixels; `shape` is (rows, columns), the rest as in DICOM's Plane macros.

        Raises:
            InvalidInput: `mask_grid` where its pixels are not the CT's voxels, `mask_outside` where some lie beyond the CT.
        """
        first = np.array(position_mm, np.float64)
        along = np.array(orientation, np.float64).reshape(2, 3) * np.array(pixel_spacing_mm[::-1])[:, None]
        if not (np.isfinite(first).all() and np.abs(along).max() < FAR_MM):
            raise _other_grid()
        if np.abs(first).max() > FAR_MM:
            raise outside()
        ends = np.array([shape[1] - 1, shape[0] - 1])
        corners = first + np.array([[0, 0], [ends[0], 0], [0, ends[1]], ends]) @ along
        z = int(np.abs((self._origins - first) @ self.steps[:, 2]).min(axis=0).argmin())
        steps = np.clip(np.rint(along @ self._inverse.T), -2, 2).astype(np.int64)
        best = min(self._origins[:, z], key=lambda origin: self._error(corners, origin))
        start = np.rint((first - best) @ self._inverse.T)
        is_turned = bool(steps[0, 0] == 0)
        if np.abs(steps[::-1] if is_turned else steps).tolist() != [[1, 0, 0], [0, 1, 0]]:
            raise _other_grid()
        if self._error(corners, best) > FRAME_MM:
            beyond = (first - best) @ self._inverse.T
            raise outside() if abs(beyond[2]) > 0.5 and z in (0, self.shape[2] - 1) else _other_grid()
        last = start + ends @ steps
        low, high = np.minimum(start, last)[:2].astype(int), np.maximum(start, last)[:2].astype(int)
        if low.min() < 0 or high[0] >= self.shape[0] or high[1] >= self.shape[1]:
            raise outside()
        flips = bool(steps[1].sum() < 0), bool(steps[0].sum() < 0)
        return Window(z, slice(low[0], high[0] + 1), slice(low[1], high[1] + 1), flips, is_turned)

    def _error(self, corners: NDArray[np.float64], origin: NDArray[np.float64]) -> float:
        """Return how far in mm the corners lie from the nearest voxel centres of the slice that begins at `origin`."""
        at = (corners - origin) @ self._inverse.T
        nearest = np.rint(at)
        nearest[:, 2] = 0
        return float(np.linalg.norm((at - nearest) @ self.steps.T, axis=1).max())


def _other_grid() -> InvalidInput:
    return InvalidInput(
        "mask_grid",
        "The mask's frames do not lie on the CT's own voxels: another size, direction or position. Export it on the CT's grid; "
        "Segloop never resamples a mask.",
    )


def outside() -> InvalidInput:
    """Return the refusal of what lies beyond the CT."""
    return InvalidInput(
        "mask_outside",
        "A part of the mask lies outside this CT. It was made on a larger series: upload that one, or crop the mask to this CT.",
    )
