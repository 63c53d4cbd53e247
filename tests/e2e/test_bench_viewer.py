"""The viewer's benchmark works from end to end; its figures are for a quiet machine and a large CT, not for a test."""

from pathlib import Path

import pytest

from segloop.stack import bench, bench_viewer

pytestmark = pytest.mark.browser


def test_the_short_benchmark_measures_every_row(home: Path) -> None:
    said: list[str] = []
    bench.viewer(home, said.append, short=True)
    rows = {name: [line for line in said if line.strip().startswith(name)] for name in bench_viewer.GOALS}
    assert all(len(lines) == 1 for lines in rows.values()), said
    figures = {
        name: float(lines[0].split("goal")[0].removeprefix(f"  {name}")) for name, lines in rows.items()
    }
    assert all(value >= 0 for value in figures.values())
    assert figures["GPU process, MB"] > 50 and figures["window change, ms"] > 0
    assert figures["finalize the whole mask, s"] > 0
