"""Real series become every form, and other people's programs read the mask back."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from segloop.imaging.dicom import archive
from segloop.imaging.dicom.convert import read_hu
from segloop.imaging.dicom.result import Form
from segloop.imaging.dicom.series import Series, choose
from segloop.imaging.labels import Label
from tests.conftest import ROOT
from tests.dicom_results import by_plastimatch, errors_of, needs, numbers_of, result_file

SHARED = ROOT.parent / "shared/data/dicom"


@pytest.mark.filterwarnings("ignore:The value length", "ignore:The string:UserWarning")
@pytest.mark.parametrize("name", ["chaos_set3", "sts_012_rtstruct", "sts_029_rtstruct"])
def test_a_real_series_becomes_every_form_and_other_programs_read_the_mask_back(
    tmp_path: Path, name: str
) -> None:
    if not (SHARED / f"{name}.zip").exists():
        pytest.skip(f"NOT RUN: {name}.zip is not beside this checkout")
    needs("dciodvfy", "plastimatch", "dcm2pdf", "pdftotext")
    (tmp_path / "ct").mkdir()
    files = archive.unpack(SHARED / f"{name}.zip", tmp_path / "ct")
    series, _ = choose(archive.series_in(files))
    for file in {*files} - {Path(str(header.filename)) for header in series.headers}:
        file.unlink()  # structures that came with it are none of ours
    drawn, labels = of_tissue(series), [Label(1, "bone", "#e8d8a0"), Label(2, "hollow"), Label(3, "liver")]
    made = {form: result_file(tmp_path, series, drawn, labels, form) for form in Form}
    own = errors_of(Path(str(series.headers[0].filename)))
    for form in set(Form) - {Form.LABELMAP}:  # which that program is too old to know
        assert errors_of(made[form]) <= own, form
    numbers = numbers_of(pydicom.dcmread(made[Form.LABELMAP]), series.headers)
    np.testing.assert_array_equal(numbers, drawn)
    (tmp_path / "rtstruct.dcm").rename(tmp_path / "rt.dcm")
    for label in labels[:2]:
        theirs, ours = by_plastimatch(tmp_path, label.name, series), drawn == label.index
        assert 2 * (theirs & ours).sum() / (theirs.sum() + ours.sum()) > 0.99, label.name
    subprocess.run(["dcm2pdf", made[Form.PDF], tmp_path / "r.pdf"], check=True)
    text = subprocess.run(["pdftotext", tmp_path / "r.pdf", "-"], check=True, capture_output=True, text=True)
    assert "bone" in text.stdout and "not found" in text.stdout


def of_tissue(series: Series) -> NDArray[Any]:
    """Return bone by its density as 1, and a block around it with holes where it is dense as 2; 3 is nowhere."""
    hu = read_hu(series)
    found = np.zeros(hu.shape, np.uint8)
    found[tuple(slice(n // 3, 2 * n // 3) for n in hu.shape)] = 2
    found[ndimage.binary_opening(hu > 60, iterations=2)] = 0
    found[ndimage.binary_opening(hu > 250, iterations=2)] = 1
    return found
