"""Outlines: what lies within them is the mask, whatever its shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
from numpy.typing import NDArray

from segloop.imaging.dicom.tracing import MOST_POINTS, trace
from tests.dicom_results import within


def filled(polygons: list[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    found = np.zeros(shape, bool)
    for polygon in polygons:
        inside = within(polygon, shape)
        assert not (found & inside).any(), "outlines must not lie in one another"
        found |= inside
    return found


@settings(max_examples=150, deadline=None)
@given(
    stn.arrays(
        bool, stn.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans(), fill=st.nothing()
    )
)
def test_any_slice_comes_back_voxel_by_voxel(inside: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(filled(trace(inside), inside.shape), inside)


def test_an_outline_runs_along_the_edge_of_voxels_and_has_no_needless_point() -> None:
    inside = np.zeros((9, 7), bool)
    inside[2:6, 1:4] = True
    (polygon,) = trace(inside)
    assert (polygon.min(0) == [1.5, 0.5]).all() and (polygon.max(0) == [5.5, 3.5]).all()
    assert len(polygon) == 8  # four edges, four cut corners


def test_a_hole_is_part_of_its_outline() -> None:
    inside = np.ones((20, 20), bool)
    inside[3:6, 3:6] = inside[10:12, 4:15] = inside[7, 7] = False
    inside[4, 4] = True  # an island in a hole is an outline of its own
    polygons = trace(inside)
    assert len(polygons) == 2
    np.testing.assert_array_equal(filled(polygons, inside.shape), inside)


def test_no_cut_to_a_hole_meets_the_centre_of_a_voxel() -> None:
    inside = np.random.default_rng(2).random((40, 40)) > 0.15
    for polygon in trace(inside):
        ends = np.roll(polygon, -1, 0)
        steps = ends - polygon
        for start, step in zip(polygon, steps, strict=True):
            n = np.gcd(*(2 * np.abs(step)).astype(int))
            along = start + np.arange(n + 1)[:, None] * step / n
            assert (along % 1 != 0).any(axis=1).all()


def test_a_polygon_with_too_many_points_is_cut_in_two() -> None:
    inside = np.ones((100, 60), bool)
    inside[1:-1:2, 1:-1:2] = False
    polygons = trace(inside)
    assert max(map(len, polygons)) <= MOST_POINTS and len(polygons) > 1
    np.testing.assert_array_equal(filled(polygons, inside.shape), inside)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1)])
def test_a_mask_that_fills_its_slice_has_one_outline(shape: tuple[int, int]) -> None:
    (polygon,) = trace(np.ones(shape, bool))
    assert within(polygon, shape).all()
    assert trace(np.zeros(shape, bool)) == []
