"""Editing tools against shapes whose answer is known."""

from typing import Any

import numpy as np
import pytest

from segloop.errors import InvalidInput
from segloop.imaging import edit_tools

Array = np.ndarray[Any, Any]


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> Array:
    x, y = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2)


def test_islands_keep_the_largest_or_those_of_a_size() -> None:
    mask = np.zeros((12, 12, 12), bool)
    mask[1:4, 1:4, 1:4] = True
    mask[6:8, 6:8, 6:8] = True
    mask[4, 4, 4] = True  # touches the first by a corner only
    largest = edit_tools.keep_islands(mask, min_voxels=None)
    assert largest.sum() == 27 and largest[2, 2, 2]
    assert edit_tools.keep_islands(mask, min_voxels=8).sum() == 27 + 8
    assert not edit_tools.keep_islands(np.zeros((3, 3, 3), bool), min_voxels=None).any()


def test_holes_are_filled_in_space_or_slice_by_slice() -> None:
    tube = np.zeros((9, 9, 9), bool)
    tube[2:7, 2:7, :] = True
    tube[4, 4, :] = False  # open at both ends
    assert np.array_equal(edit_tools.fill_holes(tube, plane=None), tube)
    assert edit_tools.fill_holes(tube, plane="axial")[4, 4].all()
    assert np.array_equal(edit_tools.fill_holes(tube, plane="coronal"), tube)
    tube[4, 4, 0] = tube[4, 4, 8] = True
    assert edit_tools.fill_holes(tube, plane=None)[4, 4].all()


def test_smoothing_removes_a_spike_and_keeps_a_plane() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[:10] = True
    mask[10:14, 10, 10] = True
    smoothed = edit_tools.smooth(mask, (1, 1, 1), radius_mm=1.5)
    assert not smoothed[11:, 10, 10].any()
    assert np.array_equal(smoothed[:, :5, :5], mask[:, :5, :5])


@pytest.mark.parametrize(("plane", "axis"), [("sagittal", 0), ("coronal", 1), ("axial", 2)])
def test_interpolation_makes_a_cone_of_two_discs_in_any_plane(plane: str, axis: int) -> None:
    stack = np.zeros((9, 40, 40), bool)
    stack[0], stack[8] = disc((40, 40), (20, 20), 4), disc((40, 40), (20, 20), 16)
    mask = np.moveaxis(stack, 0, axis)
    found = np.moveaxis(edit_tools.interpolate(mask, (1, 1, 1), plane=plane, slices=None), axis, 0)
    assert np.array_equal(found[[0, 8]], stack[[0, 8]])
    for at in range(1, 8):
        radius = 4 + 12 * at / 8
        assert found[at][disc((40, 40), (20, 20), radius - 1)].all()
        assert not found[at][~disc((40, 40), (20, 20), radius + 1)].any()


def test_interpolation_replaces_what_lies_between_chosen_slices_only() -> None:
    mask = np.zeros((20, 20, 10), bool)
    for at in range(10):
        mask[:, :, at] = disc((20, 20), (10, 10), 8)
    mask[:, :, 2] = mask[:, :, 6] = disc((20, 20), (10, 10), 3)
    found = edit_tools.interpolate(mask, (1, 1, 1), plane="axial", slices=[6, 2])
    assert np.array_equal(found[:, :, [0, 1, 2, 6, 7, 8, 9]], mask[:, :, [0, 1, 2, 6, 7, 8, 9]])
    assert all(np.array_equal(found[:, :, at], mask[:, :, 2]) for at in (3, 4, 5))


def test_growing_stays_in_range_in_reach_and_connected() -> None:
    hu = np.full((30, 30, 10), -1000, np.int16)
    hu[5:25, 10:14, 2:5] = 60
    hu[5:25, 18:20, 2:5] = 60  # like it, but not connected
    found = edit_tools.grow(hu, (10, 11, 3), (1, 1, 2), low_hu=0, high_hu=100, radius_mm=8)
    assert found[10, 11, 3] and not found[:, 18:].any()
    x, y, z = np.nonzero(found)
    away = (x - 10) ** 2 + (y - 11) ** 2 + (2 * (z - 3)) ** 2
    assert away.max() <= 64 and found.sum() == ((hu == 60)[:, :15][found[:, :15]]).sum()
    assert found[18, 11, 3] and not found[19, 11, 3]
    with pytest.raises(InvalidInput) as refusal:
        edit_tools.grow(hu, (0, 0, 0), (1, 1, 1), low_hu=0, high_hu=100, radius_mm=8)
    assert refusal.value.code == "seed_outside"
