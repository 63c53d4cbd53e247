"""Resampling and export give what nnU-Net's own functions give, on any pair of grids."""

import numpy as np
import pytest
import torch
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape
from scipy import ndimage

from segloop.nnunet.export import write_labels
from segloop.nnunet.resample import SPLINE, find_way, nearest, peak_bytes, resample

GRIDS = [
    ((20, 24, 30), (15, 18, 37), [1.0, 1.0, 1.0], [1.3, 1.4, 0.8]),
    ((12, 30, 28), (21, 20, 37), [5.0, 1.0, 1.0], [2.9, 1.5, 0.75]),
    ((30, 28, 11), (20, 37, 23), [1.0, 1.0, 5.0], [1.5, 0.75, 2.4]),
    ((14, 32, 32), (14, 20, 21), [5.0, 1.0, 1.0], [5.0, 1.6, 1.5]),
    ((1, 20, 22), (1, 31, 17), [3.0, 1.0, 1.0], [3.0, 0.65, 1.3]),
    ((1, 20, 22), (2, 31, 17), [2.0, 1.0, 1.0], [1.0, 0.65, 1.3]),
]
NAMES = [
    "another spacing",
    "first axis apart",
    "last axis apart",
    "in the slices only",
    "one slice",
    "one becomes two",
]
Spacing = list[float]


@pytest.mark.parametrize(("old", "new", "current", "wanted"), GRIDS, ids=NAMES)
def test_an_image_is_resampled_as_nnunet_does(
    old: tuple[int, ...], new: tuple[int, ...], current: Spacing, wanted: Spacing
) -> None:
    image = np.random.default_rng(1).normal(size=old).astype(np.float32)
    options = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    expected = resample_data_or_seg_to_shape(image[None], new, current, wanted, **options)[0]
    way = find_way(SPLINE, options, current, wanted)
    assert way is not None
    kept = image.copy()
    found = resample(torch.from_numpy(image), new, way).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize(("old", "new", "current", "wanted"), GRIDS, ids=NAMES)
def test_labels_are_those_of_nnunets_export(
    old: tuple[int, ...], new: tuple[int, ...], current: Spacing, wanted: Spacing
) -> None:
    noise = np.random.default_rng(2).normal(size=(9, *old))
    logits = torch.from_numpy(ndimage.gaussian_filter(noise, (0, 1.5, 1.5, 1.5)) * 8).half()
    options = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    resampled = resample_data_or_seg_to_shape(logits, new, current, wanted, **options)
    expected = torch.from_numpy(np.asarray(resampled)).argmax(0).numpy()
    way = find_way(SPLINE, options, current, wanted)
    assert way is not None
    found, shares = np.full(new, 99, np.uint8), [0.0]
    write_labels(logits, found, way, step=shares.append)
    assert len(np.unique(expected)) >= 8
    assert np.count_nonzero(found != expected) <= 1
    assert shares == sorted(shares) and shares[-1] < 1


def test_where_two_classes_are_equal_the_first_wins() -> None:
    logits = torch.zeros((3, 4, 4, 4), dtype=torch.half)
    logits[1:, :2] = 1.0
    found = np.full((7, 6, 5), 99, np.uint8)
    way = find_way(SPLINE, {"order": 1}, [1.0] * 3, [0.6] * 3)
    assert way is not None
    write_labels(logits, found, way)
    assert set(np.unique(found)) == {0, 1}


def test_the_nearest_slice_is_scipys() -> None:
    for n, m in [(5, 5), (5, 13), (13, 5), (1, 4), (4, 1), (10, 20), (20, 10)]:
        centres = n / m * (np.arange(m) + 0.5) - 0.5
        expected = ndimage.map_coordinates(np.arange(n, dtype=float), [centres], order=0, mode="nearest")
        np.testing.assert_array_equal(nearest(n, m), expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resample_torch_fornnunet", {"order": 3}),
        (SPLINE, {"order": 3, "order_z": 1}),
        (SPLINE, {"order": 2}),
        (SPLINE, {"is_seg": True, "order": 1}),
    ],
)
def test_what_is_not_done_here_is_left_to_nnunet(name: str, options: dict[str, object]) -> None:
    assert find_way(name, options, [1.0] * 3, [2.0] * 3) is None


@pytest.mark.parametrize(
    ("old", "new", "values"),
    [
        ((10, 10, 10), (5, 20, 10), 1000 + 500),  # the axis that shrinks goes first
        ((4, 4, 4), (4, 4, 4), 64),
        ((8, 8, 8), (16, 16, 16), 2048 + 4096),
    ],
)
def test_the_peak_counts_both_images(old: tuple[int, ...], new: tuple[int, ...], values: int) -> None:
    assert peak_bytes(old, new) == 4 * values
