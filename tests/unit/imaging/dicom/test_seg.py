"""Masks as DICOM Segmentations: the same voxels on the same planes, read back by code that is not ours."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from segloop.errors import InvalidInput
from segloop.imaging.dicom.archive import pack_headers, series_in, unpack_headers
from segloop.imaging.dicom.codes import describe
from segloop.imaging.dicom.result import Form, Origin
from segloop.imaging.dicom.review import Review
from segloop.imaging.dicom.seg import make_seg
from segloop.imaging.dicom.series import Series, require_volume
from segloop.imaging.labels import Label
from tests.dicom_results import LABELS, ORIGIN, mask, reread
from tests.dicom_series import slices, voxels, write


def test_pydicom_alone_reads_back_every_voxel_in_patient_space(series: Series) -> None:
    seg = reread(make_seg(series, mask(), LABELS, ORIGIN))
    found = np.zeros_like(mask())
    frames = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
    frames = frames[: seg.NumberOfFrames * 14 * 12].reshape(-1, 12, 14)
    numbers = {item.SegmentNumber: item.SegmentLabel for item in seg.SegmentSequence}
    index = {label.name: label.index for label in LABELS}
    world_to_voxel = np.linalg.inv(series.geometry.affine)
    for frame, item in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        ipp = np.array(item.PlanePositionSequence[0].ImagePositionPatient, float)
        x, y, z = (world_to_voxel @ [*(ipp * [-1, -1, 1]), 1])[:3]
        assert (round(x), round(y)) == (0, 0) and abs(z - round(z)) < 1e-4
        name = numbers[item.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        found[:, :, round(z)][frame.T == 1] = index[name]
        source = item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert source == series.headers[round(z)].SOPInstanceUID
    np.testing.assert_array_equal(found, mask())
    assert sorted(numbers.values()) == ["parotid_left", "parotid_right", "something of ours"]


@pytest.mark.parametrize("form", [Form.SEG, Form.LABELMAP])
def test_dcmqi_reads_back_every_voxel_in_patient_space(series: Series, tmp_path: Path, form: Form) -> None:
    make_seg(series, mask(), LABELS, ORIGIN, form=form).save_as(tmp_path / "seg.dcm")
    tool = Path(sys.executable).with_name("segimage2itkimage")
    command = [
        tool,
        "--inputDICOM",
        tmp_path / "seg.dcm",
        "--outputDirectory",
        tmp_path,
        "--outputType",
        "nifti",
    ]
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    meta = json.loads((tmp_path / "meta.json").read_text())
    names = {item["labelID"]: item["SegmentLabel"] for group in meta["segmentAttributes"] for item in group}
    index = {label.name: label.index for label in LABELS}
    found: set[tuple[int, ...]] = set()
    for file in tmp_path.glob("[0-9]*.nii.gz"):
        image: Any = nib.load(file)  # type: ignore[attr-defined]
        numbers = np.asarray(image.dataobj)
        places = np.argwhere(numbers > 0)
        world = places @ image.affine[:3, :3].T + image.affine[:3, 3]
        voxel = (world - series.geometry.affine[:3, 3]) @ np.linalg.inv(series.geometry.affine[:3, :3]).T
        assert np.abs(voxel - np.rint(voxel)).max() < 1e-2
        # Of binary segments a file each, named by its number; of a label map one that holds the numbers.
        own = int(file.name.split(".")[0])
        for place, at in zip(np.rint(voxel), places, strict=True):
            number = own if form is Form.SEG else int(numbers[tuple(at)])
            found.add((*map(int, place), index[names[number]]))
    there = np.argwhere(mask())
    assert found == {(*map(int, place), int(mask()[tuple(place)])) for place in there}


def test_the_object_says_whose_and_which_it_is(series: Series) -> None:
    seg = make_seg(series, mask(), LABELS, ORIGIN)
    source = series.headers[0]
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "AccessionNumber", "FrameOfReferenceUID"):
        assert seg[keyword].value == source[keyword].value
    assert seg.SeriesInstanceUID != source.SeriesInstanceUID and seg.SeriesNumber == 3000
    assert seg.SeriesDescription == "AI segmentation starter v7, unreviewed (research use only)"
    first, second, third = seg.SegmentSequence
    kinds = [item.SegmentedPropertyTypeCodeSequence[0] for item in (first, second, third)]
    assert [kind.CodeValue for kind in kinds] == ["45289007", "45289007", "12345"]
    sides = [kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning for kind in kinds[:2]]
    assert sides == ["Left", "Right"]
    algorithm = first.SegmentationAlgorithmIdentificationSequence[0]
    assert "cd" * 32 in algorithm.AlgorithmParameters and first.SegmentAlgorithmType == "AUTOMATIC"
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID


def test_a_persons_mask_says_so(series: Series) -> None:
    values = {"mask_sha256": "ef" * 32, "made_at": ORIGIN.made_at, "software": "0.1.0"}
    who: dict[str, Any] = {"made_by": "Ann", "review": Review("Ann")}
    corrected = Origin(**values, **who, model="starter v7", weights_sha256="00", is_corrected=True)
    drawn = Origin(**values, **who)
    imported = Origin(**values, made_by="Ann", is_imported=True)
    changed = Origin(**values, **who, is_imported=True, is_corrected=True)
    found = [make_seg(series, mask(), LABELS, one) for one in (corrected, drawn, imported, changed)]
    assert [one.SeriesDescription for one in found] == [
        "Segmentation starter v7, corrected, reviewed (research use only)",
        "Segmentation, drawn, reviewed (research use only)",
        "Segmentation, imported (research use only)",
        "Segmentation, imported, corrected, reviewed (research use only)",
    ]
    first = [one.SegmentSequence[0] for one in found]
    assert [(item.SegmentAlgorithmType, item.get("SegmentAlgorithmName")) for item in first] == [
        ("SEMIAUTOMATIC", "Segloop"),
        ("MANUAL", None),
        ("SEMIAUTOMATIC", "Unknown (imported)"),
        ("SEMIAUTOMATIC", "Unknown (imported)"),
    ]
    assert ["SegmentationAlgorithmIdentificationSequence" in item for item in first] == [True, *[False] * 3]


def test_made_again_it_is_the_same_to_the_byte_and_other_content_has_another_uid(
    tmp_path: Path,
) -> None:
    (headers,) = series_in(write(tmp_path / "ct", slices(voxels())))
    series = require_volume(headers)
    for name in ("a", "b"):
        make_seg(series, mask(), LABELS, ORIGIN).save_as(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    other = Origin("ac" * 32, ORIGIN.made_at, ORIGIN.software, ORIGIN.model, ORIGIN.weights_sha256)
    uids = {make_seg(series, mask(), LABELS, origin).SOPInstanceUID for origin in (ORIGIN, other)}
    assert len(uids) == 2


def test_deflated_it_is_small_and_the_same(series: Series, tmp_path: Path) -> None:
    plain, small = (make_seg(series, mask(), LABELS, ORIGIN, deflated=deflated) for deflated in (False, True))
    assert reread(small).PixelData == reread(plain).PixelData


def test_what_a_segmentation_cannot_say_is_refused(series: Series) -> None:
    for array, code in [(np.zeros((14, 12, 8), np.uint8), "mask_empty"), (mask()[1:], "mask_grid")]:
        with pytest.raises(InvalidInput) as refused:
            make_seg(series, array, LABELS, ORIGIN)
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("name", "code", "side"),
    [
        ("kidney_left", "64033007", "Left"),
        ("Kidney Right", "64033007", "Right"),
        ("subclavian_artery_left", "36765005", "Left"),
        ("brainstem", "119238007", None),
        ("of no table", "85756007", None),
        ("Parotid_L", "85756007", "Left"),
        ("RT optic nerve", "85756007", "Right"),
        ("l_level-r", "85756007", None),
        ("lamina", "85756007", None),
        ("R", "85756007", None),
    ],
)
def test_labels_have_codes_with_their_side(name: str, code: str, side: str | None) -> None:
    found = describe(Label(1, name))
    assert found.type.value == code
    assert (found.modifier.meaning if found.modifier else None) == side


@pytest.mark.parametrize("name", ["v7", "a model whose name is long " * 3])
def test_a_long_name_of_a_model_never_hides_that_nobody_reviewed_it(name: str) -> None:
    for reviewer, word in (
        ("", ", unreviewed (research use only)"),
        ("Ann", ", reviewed (research use only)"),
    ):
        for form in Form:
            title = Origin("ab", ORIGIN.made_at, "1", name, "cd", review=Review(reviewer)).title(form)
            assert title.endswith(word) and len(title) <= 64
    uids = {
        Origin("ab", ORIGIN.made_at, "1", name, "cd", review=Review(who)).uid("x")
        for who in ("", "Ann", "Bob")
    }
    assert len(uids) == 3


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("", "Doe^Jane"),
        ("ISO_IR 6", "Doe^Jane"),
        ("ISO_IR 100", "M\u00fcller^J\u00f6rg"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce"),
        ("ISO_IR 192", "\u0418\u0432\u0430\u043d\u043e\u0432^\u041f\u0451\u0442\u0440"),
    ],
)
def test_names_in_any_character_set_come_back_and_labels_are_utf_8(
    tmp_path: Path, charset: object, name: str
) -> None:
    found = slices(voxels(), patient=name)
    for header in found:
        header.SpecificCharacterSet = charset
        del header.AccessionNumber, header.StudyTime
    (headers,) = series_in(write(tmp_path / "ct", found))
    pack_headers(require_volume(headers).headers, tmp_path / "h.zip")
    series = require_volume(unpack_headers(tmp_path / "h.zip"))
    labels = [Label(1, "\u817a"), *LABELS[1:]]
    seg = reread(make_seg(series, mask(), labels, ORIGIN))
    assert seg.SpecificCharacterSet == "ISO_IR 192" and seg.AccessionNumber == ""
    assert str(seg.PatientName) == name and seg.SegmentSequence[0].SegmentLabel == "\u817a"


def test_times_are_in_the_zone_that_the_study_states(tmp_path: Path) -> None:
    found = slices(voxels())
    for header in found:
        header.TimezoneOffsetFromUTC = "+0530"
    (headers,) = series_in(write(tmp_path / "ct", found))
    seg = make_seg(require_volume(headers), mask(), LABELS, ORIGIN)
    assert (seg.ContentDate, seg.ContentTime[:6], seg.TimezoneOffsetFromUTC) == (
        "20261103",
        "143807",
        "+0530",
    )
    (headers,) = series_in(write(tmp_path / "other", slices(voxels())))
    assert "TimezoneOffsetFromUTC" not in make_seg(require_volume(headers), mask(), LABELS, ORIGIN)
