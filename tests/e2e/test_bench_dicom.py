"""The benchmark of a series' way in works from end to end; its figures are for a quiet machine and a large CT, not for a test."""

import os
import shutil
from pathlib import Path

import pytest

from segloop.stack import bench


def test_the_short_benchmark_measures_both_syntaxes(home: Path) -> None:
    if shutil.which("storescu") is None:
        assert not os.environ.get("CI"), "DCMTK is needed in CI"
        pytest.skip("NOT RUN: install dcmtk")
    said: list[str] = []
    bench.dicom(home, said.append, short=True)
    lines = [line for line in said if "first C-STORE byte to stored volume" in line]
    assert [line.partition(":")[0] for line in lines] == ["uncompressed", "JPEG 2000"]
    # Well below the 30 s after which a series closes that nobody ended.
    assert all(float(line.split("stored volume ")[1].split()[0]) < 30 for line in lines)
