"""What results say of who reviewed which part, alike in every form, and how one supersedes what was said before."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest

from segloop.imaging.dicom.archive import series_in
from segloop.imaging.dicom.codes import describe
from segloop.imaging.dicom.result import Form, Origin
from segloop.imaging.dicom.review import Review
from segloop.imaging.dicom.series import Series, require_volume
from tests.dicom_results import LABELS, ORIGIN, errors_of, needs
from tests.dicom_series import slices, voxels, write
from tests.unit.imaging.dicom.test_pdf import text_of
from tests.unit.imaging.dicom.test_uids import MAKERS

AT = "2026-11-04T10:11:12+00:00"
PART = Review("Ann", "annotator", "axial slices 2 to 4 of 8, counted from the feet", ("parotid_left",), AT)
WHOLE = Review("Bo", "reviewer", at="2026-11-05T10:11:12+00:00")
FIRST = replace(ORIGIN, review=Review(at=ORIGIN.made_at.isoformat()))


@pytest.fixture
def series(tmp_path: Path) -> Series:
    (headers,) = series_in(write(tmp_path / "ct", slices(voxels())))
    return require_volume(headers)


def made(series: Series, form: str, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> pydicom.Dataset:
    monkeypatch.setattr("tests.unit.imaging.dicom.test_uids.ORIGIN", origin)
    return MAKERS[form](series)


def texts(found: pydicom.Dataset) -> Iterator[Any]:
    for element in found.iterall():
        if element.VR in ("ST", "UT", "LO"):
            yield element.value


@pytest.mark.parametrize("form", MAKERS)
def test_a_part_that_was_reviewed_is_said_with_its_slices_labels_and_role(
    series: Series, form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = made(series, form, replace(FIRST, review=PART, earlier=(FIRST.review,)), monkeypatch)
    assert found.SeriesDescription.endswith(" starter v7, part reviewed (research use only)")
    said = f"Reviewed by Ann (annotator) in {PART.slices}"
    if form in ("seg", "labelmap"):
        words = {item.SegmentLabel: item.get("SegmentDescription") for item in found.SegmentSequence}
        words.pop("Background", None)
    elif form == "rtstruct":
        words = {item.ROIName: item.ROIDescription for item in found.StructureSetROISequence}
        assert "reviewed in part by Ann (annotator)" in found.StructureSetDescription
        assert PART.slices in found.StructureSetDescription
    elif form == "sr":
        words = dict.fromkeys((label.name for label in LABELS), "Not reviewed") | {"parotid_left": said}
        given = list(texts(found))
        assert given.count(said) == 1 and given.count("Not reviewed") >= 3
        assert sum(one == "Reviewed in part" for one in given) == 1
    else:
        words = {"parotid_left": said}
        told = found.ImageComments if form == "capture" else " ".join(text_of(found, tmp_path).split())
        assert "reviewed in part by Ann (annotator)" in told
        assert form == "capture" or f"Reviewed: {PART.slices}; only parotid_left." in told
    assert words["parotid_left"] == said
    assert {text for name, text in words.items() if name != "parotid_left"} <= {"Not reviewed"}


@pytest.mark.parametrize("form", MAKERS)
def test_another_review_is_a_later_object_that_names_the_one_before(
    series: Series, form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    needs("dciodvfy")
    states = (FIRST.review, PART, WHOLE)
    chain = [replace(FIRST, review=one, earlier=states[:n]) for n, one in enumerate(states)]
    first, second, third = (made(series, form, one, monkeypatch) for one in chain)
    assert len({one.SOPInstanceUID for one in (first, second, third)}) == 3
    assert len({one.SeriesInstanceUID for one in (first, second, third)}) == 3
    assert {one.SeriesNumber for one in (first, second, third)} == {3000 + list(Form).index(Form(form))}
    assert (first.SeriesDate, second.SeriesDate, third.SeriesDate) == ("20261103", "20261104", "20261105")
    for older, newer in ((first, second), (second, third)):
        if form == "rtstruct":
            (named,) = newer.PredecessorStructureSetSequence
        elif form == "sr":
            (named,) = newer.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
        else:
            (named,) = newer.RelatedSeriesSequence
            assert named.SeriesInstanceUID == older.SeriesInstanceUID
            assert named.PurposeOfReferenceCodeSequence[0].CodeValue == "SUPERSEDED"
            continue
        assert named.ReferencedSOPInstanceUID == older.SOPInstanceUID
    again = made(series, form, replace(chain[1]), monkeypatch)
    assert again.SOPInstanceUID == second.SOPInstanceUID
    for name, one in (("first.dcm", first), ("second.dcm", second)):
        one.save_as(tmp_path / name)
    assert errors_of(tmp_path / "second.dcm") <= errors_of(tmp_path / "first.dcm")


def test_what_is_tracked_stays_the_same_whoever_reviews_it(
    series: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        made(series, "seg", origin, monkeypatch)
        for origin in (FIRST, replace(FIRST, review=WHOLE, earlier=(FIRST.review,)))
    ]
    first, second = ([item.TrackingUID for item in one.SegmentSequence] for one in found)
    assert first == second and len(set(first)) == 3 and describe(LABELS[0]).modifier is not None


def test_masks_of_a_ct_and_series_of_a_study_have_numbers_of_their_own() -> None:
    numbers = [
        replace(FIRST, nth=nth).series_number(form, source)
        for source in (None, 2, "301")
        for nth in (0, 1, 7)
        for form in Form
    ]
    assert len(set(numbers)) == len(numbers) and min(numbers) == 1000
    assert replace(FIRST, nth=2).series_number(Form.RTSTRUCT, 4) == 4022
    assert replace(FIRST, nth=2).series_number(Form.SEG, 2_147_483_647) == 1020


@pytest.mark.parametrize("name", ["starter v7", "a model whose name is quite long indeed v12"])
def test_the_version_stands_in_the_title_however_long_the_name(name: str) -> None:
    for form in Form:
        for changes in ({}, {"made_by": "Ann", "is_corrected": True}):
            title = replace(FIRST, model=name, review=WHOLE, **changes).title(form)  # type: ignore[arg-type]
            assert f" {name.split()[-1]}, " in title and len(title) <= 64, title
