"""The dry run says of every series what would be done, names no patient, and needs neither an API nor a PACS."""

from pathlib import Path

import pytest

from services.dicom_gateway.__main__ import main
from tests.dicom_series import BROKEN, slices, voxels, write, zipped

YAML = """
destinations:
  pacs: {aet: PACS, host: 127.0.0.1, port: 1, forms: [seg, pdf], fallback: [capture]}
  web: {kind: stow-rs, url: "http://127.0.0.1:1", forms: [rtstruct]}
rules:
  - {name: scouts, if: {series_description: scout}, project: null}
  - {name: neck, if: {series_description: neck, caller: SCANNER}, project: neck, priority: stat, outputs: [seg, rtstruct], destinations: [pacs, web]}
  - {name: rest, if: {series_description: chest}, project: chest}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "g.yaml").write_text(YAML)
    return str(tmp_path / "g.yaml")


def series(folder: Path, name: str, *, broken: str = "") -> list[Path]:
    found = slices(voxels(), seed=name)
    for one in found:
        one.SeriesDescription = name
    return write(folder / name, BROKEN[broken](found) if broken else found)


def test_each_series_is_told_apart_with_rule_destinations_and_validation(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "study"
    for name in ("scout", "neck", "other"):
        series(folder, name)
    series(folder, "chest", broken="dicom_missing_slices")
    (folder / "notes.txt").write_text("no DICOM")
    assert main([config, "--dry-run", str(folder), "--caller", "SCANNER"]) == 0
    text = capsys.readouterr().out
    said = {part.splitlines()[0].rpartition(": ")[2]: part for part in text.split("Series ")[1:]}
    assert "rule: scouts" in said["scout"] and "not_routed" in said["scout"]
    assert "rule: neck, project neck, stat" in said["neck"]
    assert "to pacs (c-store): seg, or else capture\n" in said["neck"]
    assert "to web (stow-rs): rtstruct\n" in said["neck"]
    assert "one volume of 14 x 12 x 8 voxels" in said["neck"]
    assert "none fits" in said["other"]
    assert "project chest" in said["chest"] and "refused, dicom_missing_slices" in said["chest"]
    assert "to no destination" in said["chest"] and "(CT, 7 instances)" in said["chest"]
    assert "Doe" not in text and "PID-4711" not in text and "1.2.826" not in text


def test_a_zip_and_a_file_are_read_and_a_caller_that_is_not_said_is_nobody(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = series(tmp_path, "neck")
    zipped(tmp_path / "neck.zip", files)
    assert main([config, "--dry-run", str(tmp_path / "neck.zip")]) == 0
    assert "none fits" in capsys.readouterr().out
    assert main([config, "--dry-run", str(files[0]), "--caller", "SCANNER"]) == 0
    text = capsys.readouterr().out
    assert "rule: neck" in text and "dicom_too_few_slices" in text


@pytest.mark.parametrize("what", ["no such folder", "no DICOM", "bad configuration"])
def test_what_can_not_be_done_is_said_with_its_code(
    config: str, tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if what == "bad configuration":
        Path(config).write_text("{")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "notes.txt").write_text("x")
    path = tmp_path / ("nowhere" if what == "no such folder" else "study")
    assert main([config, "--dry-run", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("gateway_config: " if what == "bad configuration" else "nothing_to_read: ")
