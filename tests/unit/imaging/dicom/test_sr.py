"""Measurements as structured reports: volumes by segment, read by code that is not ours."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest

from segloop.imaging.dicom.review import Review
from segloop.imaging.dicom.seg import make_seg
from segloop.imaging.dicom.series import Series
from segloop.imaging.dicom.sr import make_sr
from segloop.imaging.labels import Label
from tests.dicom_results import LABELS, ORIGIN, errors_of, mask, needs, reread
from tests.dicom_series import voxels


def expected(index: int) -> dict[tuple[str, str | None], float]:
    """Return what is measured of a label, by code and derivation."""
    inside = voxels()[mask() == index].astype(float)
    return {
        ("118565006", None): round(len(inside) * 0.8 * 0.7 * 2.5 / 1000, 3),
        ("112031", "373098007"): round(inside.mean(), 2),
        ("112031", "386136009"): round(inside.std(), 2),
    }


def test_dcmqi_reads_each_segments_volume_and_density(series: Series, tmp_path: Path) -> None:
    make_sr(series, voxels(), mask(), LABELS, ORIGIN).save_as(tmp_path / "sr.dcm")
    tool = Path(sys.executable).with_name("tid1500reader")
    command = [tool, "--inputDICOM", tmp_path / "sr.dcm", "--outputMetadata", tmp_path / "sr.json"]
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    groups = json.loads((tmp_path / "sr.json").read_text())["Measurements"]
    names = ["parotid_left", "parotid_right", "something of ours", "liver"]
    assert [group["TrackingIdentifier"] for group in groups] == names
    seg = make_seg(series, mask(), LABELS, ORIGIN)
    for group, label, segment in zip(groups, LABELS[:3], seg.SegmentSequence, strict=False):
        assert group["segmentationSOPInstanceUID"] == seg.SOPInstanceUID
        assert group["ReferencedSegment"] == segment.SegmentNumber
        assert group["TrackingUniqueIdentifier"] == segment.TrackingUID
        assert group["SourceSeriesForImageSegmentation"] == series.headers[0].SeriesInstanceUID
        found = {
            (one["quantity"]["CodeValue"], one.get("derivationModifier", {}).get("CodeValue")): one
            for one in group["measurementItems"]
        }
        values = {key: float(one["value"]) for key, one in found.items()}
        assert values == pytest.approx(expected(label.index), abs=1e-9)
        assert found["118565006", None]["units"]["CodeValue"] == "ml"
    assert [group.get("Laterality", {}).get("CodeMeaning") for group in groups] == [
        "Left",
        "Right",
        None,
        None,
    ]


def test_labels_that_are_not_there_are_said_to_be_not_found_and_not_absent(series: Series) -> None:
    content = hd.sr.Comprehensive3DSR.from_dataset(
        reread(make_sr(series, voxels(), mask(), LABELS, ORIGIN))
    ).content
    groups = content.get_image_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["liver"]
    *_, said = groups[0].get_qualitative_evaluations()
    assert (said.value.scheme_designator, said.value.meaning) == ("99SEGLOOP", "Not found")
    assert len(content.get_volumetric_roi_measurement_groups()) == 3


def test_a_mask_without_a_label_gives_a_report_of_nothing_found(series: Series) -> None:
    found = reread(make_sr(series, voxels(), np.zeros((14, 12, 8), np.uint8), LABELS, ORIGIN))
    content = hd.sr.Comprehensive3DSR.from_dataset(found).content
    assert [group.tracking_identifier for group in content.get_image_measurement_groups()] == [
        label.name for label in LABELS
    ]
    named = found.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert [item.SeriesInstanceUID for item in named] == [series.headers[0].SeriesInstanceUID]


def test_it_is_preliminary_unverified_of_the_study_and_names_its_evidence(
    series: Series, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        make_sr(series, voxels(), mask(), LABELS, ORIGIN).save_as(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    found, source = pydicom.dcmread(tmp_path / "a"), series.headers[0]
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "AccessionNumber"):
        assert found[keyword].value == source[keyword].value
    flags = (found.PreliminaryFlag, found.VerificationFlag, found.CompletionFlag)
    assert flags == ("PRELIMINARY", "UNVERIFIED", "COMPLETE")
    assert found.SeriesDescription == "AI measurements starter v7, unreviewed (research use only)"
    (evidence,) = found.CurrentRequestedProcedureEvidenceSequence
    named = {item.SeriesInstanceUID: item.ReferencedSOPSequence for item in evidence.ReferencedSeriesSequence}
    seg = make_seg(series, mask(), LABELS, ORIGIN)
    assert set(named) == {source.SeriesInstanceUID, seg.SeriesInstanceUID}
    assert len(named[source.SeriesInstanceUID]) == len(series.headers)
    assert [item.ReferencedSOPInstanceUID for item in named[seg.SeriesInstanceUID]] == [seg.SOPInstanceUID]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"made_by": "Ann", "is_corrected": True, "review": Review("Ann")},
        {"model": "", "made_by": "Ann", "is_imported": True},
    ],
)
def test_dciodvfy_finds_no_error_beyond_the_sources_own(
    series: Series, tmp_path: Path, values: dict[str, Any]
) -> None:
    needs("dciodvfy")
    labels = [*LABELS, Label(10, "of no table"), Label(11, "vertebrae_L1"), Label(12, "lung_upper_lobe_left")]
    drawn = mask()
    drawn[13, 0, 0], drawn[13, 1, 0], drawn[13, 2, 0] = 10, 11, 12
    made = make_sr(series, voxels(), drawn, labels, replace(ORIGIN, **values))
    made.save_as(tmp_path / "sr.dcm")
    assert errors_of(tmp_path / "sr.dcm") <= errors_of(Path(str(series.headers[0].filename)))
    people = [item for item in made.ContentSequence if item.ValueType == "PNAME"]
    assert [str(item.PersonName) for item in people] == (["Ann^"] if values else [])
