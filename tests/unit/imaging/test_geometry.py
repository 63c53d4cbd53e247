"""The grid contract: reorienting moves no voxel in the world, in any orientation, oblique or not."""

from itertools import permutations, product

import numpy as np
import pytest

from segloop.errors import InvalidInput
from segloop.imaging.geometry import Geometry, reorient

ORIENTATIONS = ["".join(axes) for pairs in permutations(("RL", "AP", "SI")) for axes in product(*pairs)]
SHAPE = (5, 4, 3)


def _oblique(spacing_mm: tuple[float, float, float] = (1.0, 1.0, 5.0)) -> Geometry:
    a, b = np.deg2rad((17.0, -9.0))
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = about_x @ about_z @ np.diag(spacing_mm)
    affine[:3, 3] = (-31.5, 12.25, 700.0)
    return Geometry(SHAPE, affine)


def test_there_are_48_orientations() -> None:
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_each_voxel_keeps_its_place_in_the_world_and_comes_back_exactly(orientation: str) -> None:
    geometry = _oblique()
    # Each voxel's value says where it is, so that a wrong flip is seen voxel by voxel.
    indices = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    number = np.ravel_multi_index(tuple(np.moveaxis(indices, -1, 0)), SHAPE)
    world = indices @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]

    turned, grid = reorient(number, geometry, orientation)

    assert grid.orientation == orientation
    assert grid.shape == turned.shape
    for index in np.ndindex(*turned.shape):
        place = grid.affine[:3, :3] @ index + grid.affine[:3, 3]
        original = np.unravel_index(turned[index], SHAPE)
        np.testing.assert_allclose(place, world[original], atol=1e-9)
    back, back_grid = reorient(turned, grid, geometry.orientation)
    np.testing.assert_array_equal(back, number)
    assert back_grid.same_grid(geometry, tolerance_mm=1e-9)
    assert sorted(grid.spacing_mm) == pytest.approx([1, 1, 5])


def test_a_grid_shifted_by_half_a_voxel_is_another_grid() -> None:
    geometry = _oblique()
    shifted = geometry.affine.copy()
    shifted[0, 3] += 0.5
    assert not geometry.same_grid(Geometry(SHAPE, shifted))
    assert not geometry.same_grid(Geometry((5, 4, 2), geometry.affine))


@pytest.mark.parametrize(
    ("affine", "code"),
    [
        (np.diag([1.0, 1.0, 0.0, 1.0]), "singular_affine"),
        (np.diag([1.0, np.nan, 1.0, 1.0]), "singular_affine"),
        (np.eye(4) + np.eye(4, k=1) * [0, 0.1, 0, 0], "sheared_affine"),
    ],
)
def test_a_broken_affine_is_refused(affine: np.ndarray, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Geometry(SHAPE, affine)
    assert refused.value.code == code


@pytest.mark.parametrize("orientation", ["RAX", "RRS", "RA", ""])
def test_an_orientation_that_is_none_is_refused(orientation: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        reorient(np.zeros(SHAPE), _oblique(), orientation)
    assert refused.value.code == "orientation_invalid"
