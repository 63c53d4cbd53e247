"""Reports as Encapsulated PDF: other people's programs open them and read what they must say."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image

from segloop.imaging.dicom.archive import series_in
from segloop.imaging.dicom.measures import measure
from segloop.imaging.dicom.pdf import make_pdf
from segloop.imaging.dicom.result import Origin
from segloop.imaging.dicom.review import Review
from segloop.imaging.dicom.series import Series, require_volume
from segloop.imaging.labels import Label
from tests.dicom_results import LABELS, ORIGIN, errors_of, mask, needs, reread
from tests.dicom_series import slices, voxels, write


def text_of(found: pydicom.Dataset, folder: Path) -> str:
    """Return the text of the PDF as poppler reads it from what DCMTK takes out of the object."""
    needs("dcm2pdf", "pdftotext")
    found.save_as(folder / "report.dcm")
    subprocess.run(["dcm2pdf", folder / "report.dcm", folder / "report.pdf"], check=True)
    command = ["pdftotext", "-layout", folder / "report.pdf", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def report(
    series: Series, drawn: NDArray[np.uint8] | None = None, origin: Origin = ORIGIN
) -> pydicom.Dataset:
    return make_pdf(series, voxels(), mask() if drawn is None else drawn, LABELS, origin)


def test_measures_are_those_of_the_voxels(series: Series) -> None:
    found, missing = measure(voxels(), mask(), LABELS, series.geometry)
    assert [label.name for label in missing] == ["liver"]
    for one in found:
        inside = voxels()[mask() == one.label.index].astype(float)
        assert one.n_voxels == len(inside)
        assert one.volume_ml == pytest.approx(len(inside) * 0.8 * 0.7 * 2.5 / 1000, rel=1e-6)
        assert (one.mean_hu, one.sd_hu) == (pytest.approx(inside.mean()), pytest.approx(inside.std()))


def test_it_says_whose_it_is_what_made_it_and_what_was_found(series: Series, tmp_path: Path) -> None:
    text = text_of(report(series), tmp_path)
    for said in (
        "AI-generated, not reviewed",
        "Research use only, not a medical device. Not for diagnosis.",
        "Doe, Jane",
        "PID-4711-Q",
        "1960-01-02",
        "2026-11-01",
        "ACC-9",
        "starter v7",
        "cd" * 32,
        "Segloop 0.1.0",
        "8 slices of 2.5 mm",
    ):
        assert said in text, said
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if "parotid" in line}
    inside = voxels()[mask() == 1]
    n_ml = len(inside) * 0.8 * 0.7 * 2.5 / 1000
    assert rows["parotid_left"] == [f"{n_ml:.3f}", f"{inside.mean():.0f}", f"{inside.std():.0f}"]
    assert any(line.split() == ["liver", "not", "found"] for line in text.splitlines())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"review": Review("Ann", "reviewer")}, "AI-generated, reviewed by Ann (reviewer)"),
        ({"made_by": "Bob", "is_corrected": True}, "AI-generated, corrected by Bob, not reviewed"),
        ({"model": "", "made_by": "Bob", "is_imported": True}, "Made by another program"),
        ({"model": "", "made_by": "Bob", "review": Review("Bob")}, "Drawn by Bob, reviewed by Bob"),
    ],
)
def test_it_says_who_made_and_who_reviewed_it(
    series: Series, tmp_path: Path, values: dict[str, object], said: str
) -> None:
    lines = text_of(report(series, origin=replace(ORIGIN, **values)), tmp_path).splitlines()  # type: ignore[arg-type]
    assert said in [line.strip() for line in lines]


def test_a_mask_without_a_label_gives_a_report_that_says_so(series: Series, tmp_path: Path) -> None:
    text = text_of(report(series, np.zeros((14, 12, 8), np.uint8)), tmp_path)
    assert text.count("not found") == len(LABELS)


def test_it_is_of_the_study_and_the_same_to_the_byte(series: Series, tmp_path: Path) -> None:
    for name in ("a", "b"):
        report(series).save_as(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    found, source = pydicom.dcmread(tmp_path / "a"), series.headers[0]
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "AccessionNumber"):
        assert found[keyword].value == source[keyword].value
    assert (found.Modality, found.SeriesNumber, found.BurnedInAnnotation) == ("DOC", 3003, "YES")
    assert found.SeriesDescription == "AI report starter v7, unreviewed (research use only)"
    assert found.EncapsulatedDocument[: found.EncapsulatedDocumentLength].rstrip().endswith(b"%%EOF")
    named = {item.ReferencedSOPInstanceUID for item in found.SourceInstanceSequence}
    assert named == {header.SOPInstanceUID for header in series.headers}


def test_dciodvfy_finds_no_error_beyond_the_sources_own(series: Series, tmp_path: Path) -> None:
    needs("dciodvfy")
    report(series).save_as(tmp_path / "pdf.dcm")
    assert errors_of(tmp_path / "pdf.dcm") <= errors_of(Path(str(series.headers[0].filename)))


def test_many_labels_take_several_pages_that_each_say_whose_they_are(tmp_path: Path) -> None:
    (headers,) = series_in(write(tmp_path / "ct", slices(voxels())))
    labels = [Label(n, f"vertebra <{n}> & more") for n in range(1, 118)]
    drawn = (np.arange(14 * 12 * 8).reshape(14, 12, 8) % 118).astype(np.uint8)
    text = text_of(make_pdf(require_volume(headers), voxels(), drawn, labels, ORIGIN), tmp_path)
    pages = text.strip("\f\n").split("\f")
    assert len(pages) >= 3
    for number, page in enumerate(pages, 1):
        assert "Doe, Jane, PID-4711-Q" in page and f"Not for diagnosis. Page {number}" in page
    assert "vertebra <117> & more" in text


def test_a_name_that_the_standard_fonts_lack_is_marked_and_whole_in_the_header(tmp_path: Path) -> None:
    found = slices(voxels(), patient="M\u00fcller^J\u00f6rg=\u5c71\u7530^\u592a\u90ce")
    for header in found:
        header.SpecificCharacterSet = "ISO_IR 192"
    (headers,) = series_in(write(tmp_path / "ct", found))
    made = report(require_volume(headers))
    assert str(reread(made).PatientName) == "M\u00fcller^J\u00f6rg=\u5c71\u7530^\u592a\u90ce"
    assert "M\u00fcller, J\u00f6rg" in text_of(made, tmp_path)


def test_the_page_as_poppler_draws_it_has_the_pictures_in_the_labels_colours(
    series: Series, tmp_path: Path
) -> None:
    needs("pdftoppm")
    text_of(report(series), tmp_path)
    subprocess.run(["pdftoppm", "-r", "60", "-png", tmp_path / "report.pdf", tmp_path / "page"], check=True)
    (file,) = tmp_path.glob("page*.png")
    page = np.asarray(Image.open(file).convert("RGB")).astype(int)
    for color in ([255, 0, 0], [0, 255, 0]):
        assert (np.abs(page - color).max(-1) < 60).sum() > 50
    assert (page.max(-1) < 30).sum() > 5000  # the pictures' ground
