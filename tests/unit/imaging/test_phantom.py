"""The phantoms are what they promise: same seed same voxels, seven organs in their place, any orientation."""

import itertools

import numpy as np
import pytest

from segloop.imaging.geometry import reorient
from segloop.imaging.phantom import asymmetric, head_and_neck

COARSE = {"shape": (48, 32, 40), "spacing_mm": (9.0, 9.0, 9.0)}
ORGANS = range(1, 8)


def _centre(labels: np.ndarray, label: int, affine: np.ndarray) -> np.ndarray:
    return affine[:3, :3] @ np.argwhere(labels == label).mean(0) + affine[:3, 3]


def test_same_arguments_give_the_same_voxels_and_another_seed_another_person() -> None:
    ct, labels, _ = head_and_neck(**COARSE, seed=4)
    again, labels_again, _ = head_and_neck(**COARSE, seed=4)
    _, other, _ = head_and_neck(**COARSE, seed=5)
    assert np.array_equal(ct, again)
    assert np.array_equal(labels, labels_again)
    assert not np.array_equal(labels, other)


def test_seven_organs_have_plausible_volumes_at_any_spacing() -> None:
    limits_ml = {1: (15, 45), 2: (8, 40), 3: (18, 45), 4: (18, 45), 5: (45, 130), 6: (12, 45), 7: (4, 25)}
    for spacing, shape in (((3.0, 3.0, 3.0), (80, 80, 126)), ((4.7, 4.7, 2.5), (60, 60, 150))):
        _, labels, _ = head_and_neck(shape=shape, spacing_mm=spacing, seed=1)
        for organ, (low, high) in limits_ml.items():
            assert low < (labels == organ).sum() * np.prod(spacing) / 1000 < high, organ


def test_organs_lie_where_they_do_in_people() -> None:
    _, labels, geometry = head_and_neck(**COARSE, seed=2)
    at = {organ: _centre(labels, organ, geometry.affine) for organ in ORGANS}
    assert at[3][0] > 30  # right parotid: world x grows to the patient's right
    assert at[4][0] < -30
    assert at[5][1] > at[1][1]  # mandible in front of the brainstem
    assert at[1][2] > at[6][2] > at[7][2]  # brainstem above larynx above esophagus


def test_hu_are_those_of_air_soft_tissue_and_bone() -> None:
    ct, labels, _ = head_and_neck(shape=(80, 80, 126), spacing_mm=(3.0, 3.0, 3.0), seed=3, noise_hu=10)
    assert ct.min() >= -1024
    assert ct.max() <= 3071
    assert abs(np.median(ct[:5, :5, -5:]) + 1000) < 10
    assert 20 < ct[labels == 1].mean() < 50
    assert ct[labels == 5].mean() > 500
    assert 5 < ct[labels == 1].std() < 20


@pytest.mark.parametrize("orientation", ["LPS", "PIR", "SAL", "RAS"])
def test_every_orientation_shows_the_same_body(orientation: str) -> None:
    ct, labels, geometry = head_and_neck(**COARSE, seed=6)
    order = [next(i for i, pair in enumerate(("RL", "AP", "SI")) if c in pair) for c in orientation]
    shape = tuple(COARSE["shape"][axis] for axis in order)
    turned, turned_labels, turned_geometry = head_and_neck(
        shape=shape, spacing_mm=COARSE["spacing_mm"], orientation=orientation, seed=6
    )
    assert turned.shape == shape == tuple(turned_geometry.shape)
    assert np.array_equal(reorient(turned, turned_geometry, "RAS")[0], ct)
    assert np.array_equal(reorient(turned_labels, turned_geometry, "RAS")[0], labels)
    for organ in ORGANS:
        here, there = (
            _centre(a, organ, g.affine) for a, g in ((labels, geometry), (turned_labels, turned_geometry))
        )
        assert np.allclose(here, there, atol=1e-6)


def test_no_flip_or_permutation_leaves_the_asymmetric_phantom_alike() -> None:
    _, labels, _ = asymmetric(shape=(24, 24, 24))
    looks = {
        np.ascontiguousarray(np.flip(np.transpose(labels, axes), flips)).tobytes()
        for axes in itertools.permutations(range(3))
        for n in range(4)
        for flips in itertools.combinations(range(3), n)
    }
    assert len(looks) == 48
    assert set(np.unique(labels)) == set(range(8))


def test_asymmetric_arms_point_right_front_and_up_in_world_space() -> None:
    for orientation in ("RAS", "LPI", "SAR"):
        _, labels, geometry = asymmetric(orientation=orientation)
        middle = _centre(labels, 1, geometry.affine)
        for axis in range(3):
            arm = _centre(labels, 2 + axis, geometry.affine) - middle
            assert arm[axis] > 0
            assert np.allclose(np.delete(arm, axis), 0, atol=1e-6)
