"""Counts of voxel values, exact for every type of up to 16 bits."""

import numpy as np
import pytest

from segloop.imaging import hounsfield


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize("slope", [1.0, -2.5])
def test_every_value_is_counted_once_and_in_order(kind: type[np.integer], slope: float) -> None:
    limits = np.iinfo(kind)
    raw = np.random.default_rng(3).integers(limits.min, limits.max, 5000, dtype=kind, endpoint=True)
    raw[:4] = limits.min, limits.max, 0, limits.max // 2 + 1
    found = hounsfield.Distribution(np.dtype(kind), slope, 7.0)
    found.add(raw[:3000])
    found.add(raw[3000:][::-1])
    values, counts = found.in_hu()
    expected, times = np.unique(raw.astype(np.float64) * slope + 7.0, return_counts=True)
    assert values.tolist() == expected.tolist() and counts.tolist() == times.tolist()
    assert found.extremes() == (expected[0], expected[-1])
