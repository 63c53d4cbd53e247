"""The inference benchmark works from end to end; its figures are for a quiet machine and large CTs, not for a test."""

import json
from pathlib import Path

import pytest

from segloop.stack import bench

pytestmark = pytest.mark.slow


def test_the_short_benchmark_compares_masks_and_measures_the_service(home: Path) -> None:
    said: list[str] = []
    bench.inference(home, None, said.append, short=True)
    record = json.loads((home / bench.RESULTS).read_text().splitlines()[-1])
    (row,) = record["engine"]
    (case,) = row["exact"]["differs"]
    assert case["differing"] <= 2 and case["n_labels"] == 7
    assert 0 < row["exact"]["network_cpu_s"] < row["exact"]["cpu_s"] < row["peer"]["cpu_s"]
    assert row["exact"]["peak_bytes"] > 2**27
    service = record["service"]
    assert 0 < service["overhead_ms"]["p50"] <= service["overhead_ms"]["p95"]
    assert 0 < service["four_cases"]["engine_wall_s"] < service["four_cases"]["wall_s"]
    assert service["jobs_per_minute"]["1"] > 0
