"""What we send out comes back in as the mask it was made of, in each form and direction."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from segloop.imaging.dicom.result import Form, Origin
from segloop.imaging.dicom.rtstruct import make_rtstruct
from segloop.imaging.dicom.seg import make_seg
from tests.dicom_series import DIRECTIONS
from tests.imported import LABELS, SHAPE, ct, read

ORIGIN = Origin("ab" * 32, datetime(2026, 11, 3, 9, 8, 7, tzinfo=UTC), "0.1.0", "starter v7", "cd" * 32)


def blobs() -> NDArray[np.uint8]:
    """Labels side by side, in pieces and with holes."""
    random = np.random.default_rng(7)
    smooth = ndimage.gaussian_filter(random.normal(size=SHAPE), 0.8)
    return np.array([0, 1, 2, 9], np.uint8)[np.digitize(smooth, np.quantile(smooth, [0.4, 0.6, 0.8]))]


@pytest.mark.parametrize("form", [Form.SEG, Form.LABELMAP, Form.RTSTRUCT])
@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_a_result_comes_back_voxel_by_voxel(tmp_path: Path, direction: tuple[float, ...], form: Form) -> None:
    series = ct(tmp_path, direction)
    if form is Form.RTSTRUCT:
        found = make_rtstruct(series, blobs(), LABELS.labels, ORIGIN)
    else:
        found = make_seg(series, blobs(), LABELS.labels, ORIGIN, form=form, deflated=True)
    back = read(tmp_path, found)
    np.testing.assert_array_equal(back.mask, blobs())
    assert (back.labels, back.notes) == ([1, 2, 9], [])
