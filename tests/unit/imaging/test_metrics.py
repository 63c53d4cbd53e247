"""Metrics against cases worked out by hand and against brute force."""

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from segloop.imaging import metrics, surfaces
from segloop.imaging.disagreements import largest
from segloop.imaging.labels import Label, LabelSet

Array = np.ndarray[Any, Any]
SPACING = (1.0, 2.0, 3.0)


def box(shape: tuple[int, ...], *ranges: tuple[int, int]) -> Array:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*pair) for pair in ranges)] = True
    return mask


def measure(a: Array, b: Array, spacing: tuple[float, float, float] = SPACING) -> dict[str, Any]:
    masks = [np.asfortranarray(mask.astype(np.uint8) * 5) for mask in (a, b)]
    boxes = metrics.boxes_of(masks[0]), metrics.boxes_of(masks[1])
    return metrics.measure(masks[0], masks[1], 5, 5, spacing, boxes)


def faces(mask: Array, spacing: tuple[float, float, float]) -> tuple[Array, Array]:
    """Return centres and areas of a mask's outer faces, voxel by voxel."""
    points, areas = [], []
    padded = np.pad(mask, 1)
    for at in np.argwhere(padded):
        for axis, step in itertools.product(range(3), (-1, 1)):
            beside = at.copy()
            beside[axis] += step
            if not padded[tuple(beside)]:
                points.append(((at + beside) / 2 - 1) * spacing)
                areas.append(np.prod(spacing) / spacing[axis])
    return np.array(points), np.array(areas)


def brute_force(a: Array, b: Array, spacing: tuple[float, float, float], tolerance: float) -> Any:
    """NSD and HD95 from all pairs of faces."""
    (points_a, areas_a), (points_b, areas_b) = faces(a, spacing), faces(b, spacing)
    all_pairs = np.sqrt(((points_a[:, None] - points_b[None]) ** 2).sum(-1))
    near, percentiles = 0.0, []
    for distances, areas in ((all_pairs.min(1), areas_a), (all_pairs.min(0), areas_b)):
        near += areas[distances <= tolerance + 1e-9].sum()
        order = np.argsort(distances)
        share = np.cumsum(areas[order]) / areas.sum()
        percentiles.append(distances[order][np.searchsorted(share, 0.95 - 1e-12)])
    return near / (areas_a.sum() + areas_b.sum()), max(percentiles)


def test_the_same_mask_agrees_wholly() -> None:
    mask = box((9, 9, 9), (2, 5), (2, 6), (3, 7))
    found = measure(mask, mask)
    assert (found["dice"], found["nsd"], found["hd95_mm"]) == (1.0, 1.0, 0.0)
    assert found["voxels_a"] == found["voxels_b"] == 48


@pytest.mark.parametrize(("axis", "mm"), [(0, 1.0), (1, 2.0), (2, 3.0)])
def test_a_slab_moved_by_one_voxel_is_off_by_that_axis_spacing(axis: int, mm: float) -> None:
    # A slab across the whole volume: only its two faces move, its sides are a small rim.
    ranges = [(0, 40)] * 3
    ranges[axis] = (10, 20)
    moved = list(ranges)
    moved[axis] = (11, 21)
    a, b = box((40, 40, 40), *ranges), box((40, 40, 40), *moved)
    found = measure(a, b)
    assert found["dice"] == pytest.approx(2 * 9 / 20)
    assert found["hd95_mm"] == pytest.approx(mm)
    assert (found["nsd"] == 1.0) == (mm <= metrics.TOLERANCE_MM)


def test_nsd_weighs_elements_by_their_area() -> None:
    # Wide voxels, so that nothing but shared faces is within 2 mm: the rims of 9 of 10 layers.
    a, b = (box((8, 9, 30), (0, 8), (0, 9), pair) for pair in ((10, 20), (11, 21)))
    rim, planes = 2 * (8 + 9) * 6 * 3, 2 * 8 * 9 * 6 * 6
    assert measure(a, b, (6, 6, 3))["nsd"] == pytest.approx(9 * rim / (10 * rim + planes))


@pytest.mark.parametrize("seed", range(6))
def test_nsd_and_hd95_are_those_of_all_pairs_of_faces(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spacing = tuple(rng.uniform(0.5, 4, 3))
    a, b = (ndimage.gaussian_filter(rng.normal(size=(11, 10, 9)), 1.5) > 0.03 for _ in range(2))
    found = surfaces.agree(a, b, spacing, tolerance_mm=2.0)
    nsd, hd95 = brute_force(a, b, spacing, 2.0)
    assert found.nsd == pytest.approx(nsd) and found.hd95_mm == pytest.approx(hd95)
    assert 0 < nsd < 1


def test_swapping_the_masks_changes_nothing_but_sides() -> None:
    a, b = box((12, 12, 12), (1, 9), (2, 5), (3, 7)), box((12, 12, 12), (3, 10), (2, 8), (1, 7))
    first, second = measure(a, b), measure(b, a)
    assert all(first[key] == pytest.approx(second[key]) for key in ("dice", "nsd", "hd95_mm"))
    assert first["voxels_only_a"] == second["voxels_only_b"] == (a & ~b).sum()


def test_what_is_absent_has_no_measure() -> None:
    nothing, something = np.zeros((5, 5, 5), bool), box((5, 5, 5), (1, 3), (1, 3), (1, 3))
    both, one = measure(nothing, nothing), measure(something, nothing)
    assert (both["dice"], both["nsd"], both["hd95_mm"]) == (None, None, None)
    assert (one["dice"], one["nsd"], one["hd95_mm"]) == (0.0, 0.0, None)
    assert (one["voxels_only_a"], one["voxels_only_b"]) == (8, 0)


def test_a_surface_of_noise_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surfaces, "MAX_ELEMENTS", 20)
    found = measure(box((5, 5, 5), (1, 3), (1, 3), (1, 3)), box((5, 5, 5), (1, 4), (1, 3), (1, 3)))
    assert (found["nsd"], found["hd95_mm"]) == (None, None) and found["dice"] == pytest.approx(0.8)


def test_differences_count_each_label() -> None:
    labels = LabelSet((Label(1, "one"), Label(2, "two"), Label(3, "three")))
    before = np.array([0, 1, 1, 1, 2, 2, 0], np.uint8)
    after = np.array([1, 1, 2, 0, 2, 2, 0], np.uint8)
    one, two, three = metrics.differences(before, after, labels)
    assert (one["voxels_added"], one["voxels_removed"], one["dice"]) == (1, 2, pytest.approx(2 / 5))
    assert (two["voxels_added"], two["voxels_removed"], two["dice"]) == (1, 0, pytest.approx(4 / 5))
    assert three == {"index": 3, "name": "three", "voxels_added": 0, "voxels_removed": 0, "dice": None}


def test_pieces_are_the_largest_first_and_their_centre_lies_inside() -> None:
    a, b = np.zeros((20, 20, 20), np.uint8), np.zeros((20, 20, 20), np.uint8)
    a[2:8, 2:8, 2:8] = 1
    a[3:7, 3:7, 2:8] = 0  # a tube: its middle is not part of it
    b[10:12, 10:12, 10:12] = 2
    a[15, 15, 15], b[15, 15, 15] = 1, 2
    a[17, 17, 17] = 3
    a[18, 18, 18] = 3  # touches by a corner only: a piece of its own
    pieces = largest(a, b, a != b, (1, 1, 1))
    assert [(p.label_a, p.label_b, p.voxels) for p in pieces[:2]] == [(1, 0, 216 - 96), (0, 2, 8)]
    assert sorted((p.label_a, p.label_b, p.voxels) for p in pieces[2:]) == [(1, 2, 1), (3, 0, 1), (3, 0, 1)]
    assert all((a[p.centre], b[p.centre]) == (p.label_a, p.label_b) for p in pieces)
    assert largest(a, b, a != b, (1, 1, 1), limit=1) == pieces[:1]
    assert largest(a, a, a != a, (1, 1, 1)) == []


def test_the_limit_keeps_the_largest_pieces_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 4, (16, 15, 14)).astype(np.uint8) for _ in range(2))
    every, few = largest(a, b, a != b, (1, 1, 1), limit=10**6), largest(a, b, a != b, (1, 1, 1), limit=20)
    assert sum(p.voxels for p in every) == (a != b).sum()
    assert [p.voxels for p in few] == [p.voxels for p in every[:20]]
