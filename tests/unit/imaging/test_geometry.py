"""The grid contract: reorienting moves no voxel in the world, in any orientation, oblique or not."""

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest

from segloop.errors import InvalidInput
from segloop.imaging.geometry import Geometry, reorient, restore

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


def turned_affine(degrees: tuple[float, float, float]) -> Any:
    """A grid turned about each axis in turn; at 45 degrees an axis lies halfway between two directions."""
    affine = np.eye(4)
    for axis, angle in enumerate(np.radians(degrees)):
        i, j = [other for other in range(3) if other != axis]
        turn = np.eye(4)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        affine = affine @ turn
    return affine @ np.diag([1.0, 1.0, 3.0, 1.0])


@pytest.mark.parametrize("signs", [*product((1, -1), repeat=3)])
@pytest.mark.parametrize("axes", [*permutations(range(3))])
@pytest.mark.parametrize(
    "degrees", [(45, 0, 0), (0, 45, 0), (0, 0, 45), (45, 45, 0), (45, 35.264, 45), (10, 20, 30)]
)
def test_the_way_back_is_exact_also_where_an_axis_lies_halfway_between_two_directions(
    degrees: tuple[float, float, float], axes: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    affine = turned_affine(degrees)
    affine[:3, :3] = affine[:3, :3][:, axes] * signs
    geometry = Geometry((3, 4, 5), affine)
    array = np.arange(60).reshape(3, 4, 5)
    for orientation in ("RAS", "LPS", "PIR"):
        turned, grid = reorient(array, geometry, orientation)
        assert np.array_equal(restore(turned, geometry, orientation), array)
        # Each voxel kept its place in the world on the way.
        i, j, k = np.unravel_index(int(np.flatnonzero(turned.ravel() == array[1, 2, 3])[0]), turned.shape)
        assert np.allclose(grid.affine @ [i, j, k, 1], affine @ [1, 2, 3, 1])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_stated_size_stays_with_its_axis(orientation: str) -> None:
    affine = _oblique((1.0, 2.0, 5.0)).affine
    geometry = Geometry(SHAPE, affine, (1.001, 2.001, 5.001))
    assert geometry.spacing_mm == (1.001, 2.001, 5.001)
    turned, grid = reorient(np.zeros(SHAPE), geometry, orientation)
    assert np.allclose(grid.spacing_mm, np.linalg.norm(grid.affine[:3, :3], axis=0) + 0.001, atol=1e-9)
    assert [SHAPE[(1.001, 2.001, 5.001).index(mm)] for mm in grid.spacing_mm] == list(turned.shape)
