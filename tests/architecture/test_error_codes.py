"""What a PACS administrator may be shown stands in the documentation, with what to do."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERIES = (ROOT / "src/segloop/imaging/dicom/series.py").read_text()
CODES = sorted(
    {f"dicom_{code}" for code in re.findall(r'_refusal\(\s*"(\w+)"', SERIES)}
    | set(re.findall(r'"(dicom_\w+)"', SERIES))
)


def test_the_codes_are_found() -> None:
    assert len(CODES) > 20 and "dicom_gantry_tilt" in CODES and "dicom_no_ct" in CODES


@pytest.mark.parametrize("code", CODES)
def test_a_series_is_refused_for_what_the_conformance_statement_names(code: str) -> None:
    rows = [
        line
        for line in (ROOT / "docs/dicom-conformance.md").read_text().splitlines()
        if line.startswith("| `dicom_")
    ]
    assert any(f"`{code}`" in row for row in rows)
