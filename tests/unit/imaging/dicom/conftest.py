"""A series in each of six directions."""

from pathlib import Path

import pytest

from segloop.imaging.dicom.archive import series_in
from segloop.imaging.dicom.series import Series, require_volume
from tests.dicom_series import DIRECTIONS, slices, voxels, write


@pytest.fixture(params=DIRECTIONS.values(), ids=DIRECTIONS.keys())
def series(tmp_path: Path, request: pytest.FixtureRequest) -> Series:
    (headers,) = series_in(write(tmp_path / "ct", slices(voxels(), direction=request.param)))
    return require_volume(headers)
