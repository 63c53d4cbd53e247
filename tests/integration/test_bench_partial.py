"""The benchmark of partial reviews works from end to end on phantoms, pauses, goes on and does nothing twice."""

from pathlib import Path

import pytest

from segloop.errors import Conflict, InvalidInput
from segloop.stack.learning import partial
from segloop.stack.learning.limit import only_one


@pytest.mark.slow
@pytest.mark.timeout(900)  # a minute of one core, most of it imports; a busy machine takes minutes
def test_the_short_benchmark_pauses_goes_on_and_reports_every_arm(tmp_path: Path) -> None:
    said: list[str] = []
    assert partial.run(tmp_path, None, said.append, short=True, minutes=0) == {}
    assert "goes on" in said[-1]
    report = partial.run(tmp_path, None, said.append, short=True, minutes=None)
    assert report["seeds"] == [0] and list(report["mean"]) == ["left out", "tenth", "full"]
    assert report["differences"][0]["of"] == ["tenth", "left out"]
    (folder,) = (tmp_path / "bench/partial").glob("*/report.json")
    assert "spinal_cord" in (folder.parent / "table.md").read_text()
    assert (folder.parent / "chart.svg").read_text().lstrip().startswith("<?xml")
    files = {file: file.stat().st_mtime_ns for file in folder.parent.glob("results/*.json")}
    assert len(files) == 4  # the first model's too
    assert partial.run(tmp_path, None, said.append, short=True, minutes=None) == report
    assert files == {file: file.stat().st_mtime_ns for file in files}


def test_only_one_benchmark_works_in_a_folder(tmp_path: Path) -> None:
    with only_one(tmp_path / "bench/partial"), pytest.raises(Conflict) as refused:
        partial.run(tmp_path, None, lambda _: None, short=True, minutes=None)
    assert refused.value.code == "bench_running"


def test_without_data_only_the_short_benchmark_runs(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        partial.run(tmp_path, None, lambda _: None, short=False, minutes=None)
    assert refused.value.code == "dataset_missing"
