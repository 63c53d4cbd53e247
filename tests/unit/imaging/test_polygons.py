"""A voxel is inside a polygon where its centre is: checked one by one with a rule written anew."""

import numpy as np
import pytest
from numpy.typing import NDArray

from segloop.imaging.polygons import fill

Points = NDArray[np.float64]


def is_inside(x: float, y: float, polygons: list[Points]) -> bool:
    """Say by the turns of an angle that sweeps around each polygon, not by crossings, whether it is odd times around."""
    turns = 0
    for polygon in polygons:
        away = polygon - [x, y]
        angles = np.arctan2(away[:, 1], away[:, 0])
        steps = np.diff(np.append(angles, angles[0]))
        turns += round(float((((steps + np.pi) % (2 * np.pi)) - np.pi).sum() / (2 * np.pi)))
    return turns % 2 == 1


@pytest.mark.parametrize("seed", range(8))
def test_any_polygon_fills_the_centres_within_it(seed: int) -> None:
    random = np.random.default_rng(seed)
    polygons = [random.uniform(-3, 14, (random.integers(3, 12), 2)) for _ in range(seed % 3 + 1)]
    expected = [[is_inside(x, y, polygons) for x in range(11)] for y in range(9)]
    np.testing.assert_array_equal(fill(polygons, (9, 11)), expected)


def box(x: float, y: float, right: float, bottom: float) -> Points:
    return np.array([[x, y], [right, y], [right, bottom], [x, bottom]], float)


def test_holes_and_keyholes_are_empty() -> None:
    expected = np.zeros((10, 10), bool)
    expected[1:9, 1:9] = True
    expected[3:6, 4:7] = False
    outer, inner = box(0.5, 0.5, 8.5, 8.5), box(3.5, 2.5, 6.5, 5.5)
    np.testing.assert_array_equal(fill([outer, inner], (10, 10)), expected)
    np.testing.assert_array_equal(fill([outer, inner[::-1]], (10, 10)), expected)
    keyhole = np.concatenate(
        [outer, outer[:1], inner, inner[:1]]
    )  # back to its corner, in and around, and out again
    np.testing.assert_array_equal(fill([keyhole], (10, 10)), expected)


def test_neighbours_share_no_voxel_and_leave_none_out() -> None:
    """Their common edge runs through centres."""
    common = [[5.0, -2.0], [5.0, 4.0], [2.0, 12.0]]
    left = fill([np.array([*common, [-2.0, 12.0], [-2.0, -2.0]])], (10, 10))
    right = fill([np.array([*common, [12.0, 12.0], [12.0, -2.0]])], (10, 10))
    assert not (left & right).any() and (left | right).all()


def test_a_polygon_beyond_the_slice_is_cut_off() -> None:
    assert fill([box(-1e5, -1e5, 1e5, 1e5)], (4, 6)).all()
    assert not fill([box(-9, -9, -5, -5), box(20, 2, 30, 4)], (4, 6)).any()
    assert not fill([], (4, 6)).any() and not fill([np.empty((0, 2))], (4, 6)).any()


def test_millions_of_points_take_no_more_memory_than_some_rows_of_them() -> None:
    import tracemalloc

    n = 400_000
    zigzag = np.stack([np.linspace(0, 511, n), np.where(np.arange(n) % 2, -1.0, 513.0)], axis=1)
    tracemalloc.start()
    fill([np.concatenate([zigzag, [[511.0, 600.0], [0.0, 600.0]]])], (512, 512))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 600 * 2**20
