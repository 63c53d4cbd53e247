"""Masks as label maps: one object that is small, and read back voxel by voxel by code that is not ours."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from segloop.errors import InvalidInput
from segloop.imaging.dicom.archive import series_in
from segloop.imaging.dicom.result import Form
from segloop.imaging.dicom.seg import make_seg
from segloop.imaging.dicom.series import Series, require_volume
from segloop.imaging.labels import Label
from tests.dicom_results import LABELS, ORIGIN, mask, numbers_of, reread
from tests.dicom_series import slices, voxels, write


def labelmap(series: Series, **values: bool) -> pydicom.Dataset:
    return make_seg(series, mask(), LABELS, ORIGIN, form=Form.LABELMAP, **values)


@pytest.mark.parametrize("deflated", [False, True])
def test_pydicom_alone_reads_back_every_voxel_on_its_slice(series: Series, deflated: bool) -> None:
    found = reread(labelmap(series, deflated=deflated))
    syntax = DeflatedExplicitVRLittleEndian if deflated else RLELossless
    assert found.file_meta.TransferSyntaxUID == syntax
    assert found.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7"
    index = {label.name: label.index for label in LABELS} | {"Background": 0}
    meaning = np.zeros(256, np.uint8)
    for item in found.SegmentSequence:
        meaning[item.SegmentNumber] = index[item.SegmentLabel]
    np.testing.assert_array_equal(meaning[numbers_of(found, series.headers)], mask())


def test_highdicom_reads_back_every_voxel_in_patient_space(series: Series, tmp_path: Path) -> None:
    labelmap(series).save_as(tmp_path / "map.dcm")
    volume = hd.seg.segread(tmp_path / "map.dcm").get_volume(combine_segments=True)
    places = np.argwhere(volume.array > 0)
    # DICOM's world is LPS+, ours RAS+.
    world = volume.map_indices_to_reference(places) * [-1, -1, 1]
    affine = series.geometry.affine
    voxel = (world - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    assert np.abs(voxel - np.rint(voxel)).max() < 1e-2
    numbers = volume.array[tuple(places.T)]
    read = np.zeros_like(mask())
    read[tuple(np.rint(voxel).astype(int).T)] = np.array([0, 1, 2, 4])[numbers]
    np.testing.assert_array_equal(read, mask())


def test_background_is_described_and_last_so_that_viewers_take_the_right_colours(series: Series) -> None:
    found = labelmap(series)
    described = [(item.SegmentNumber, item.SegmentLabel) for item in found.SegmentSequence]
    assert described == [
        (1, "parotid_left"),
        (2, "parotid_right"),
        (3, "something of ours"),
        (0, "Background"),
    ]
    colors = [item.RecommendedDisplayCIELabValue for item in found.SegmentSequence[:3]]
    theirs = [hd.color.CIELabColor.from_rgb(*label.rgb).value for label in LABELS[:3]]
    assert [tuple(color) for color in colors] == theirs
    assert (found.SeriesNumber, found.SeriesDescription) == (
        3001,
        "AI label map starter v7, unreviewed (research use only)",
    )


@pytest.mark.parametrize(
    ("values", "kind", "name"),
    [
        ({"model": "", "made_by": "Ann"}, "MANUAL", None),
        ({"model": "", "made_by": "Ann", "is_imported": True}, "SEMIAUTOMATIC", "Unknown (imported)"),
        ({"made_by": "Ann", "is_corrected": True}, "SEMIAUTOMATIC", "Segloop"),
    ],
)
def test_whatever_made_a_mask_it_says_so_of_each_segment(
    series: Series, values: dict[str, Any], kind: str, name: str | None
) -> None:
    found = make_seg(series, mask(), LABELS, replace(ORIGIN, **values), form=Form.LABELMAP)
    said = {(item.SegmentAlgorithmType, item.get("SegmentAlgorithmName")) for item in found.SegmentSequence}
    assert said == {(kind, name)}


def test_made_again_it_is_the_same_to_the_byte_and_no_other_form(series: Series, tmp_path: Path) -> None:
    for name in ("a", "b"):
        labelmap(series).save_as(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    seg, found = make_seg(series, mask(), LABELS, ORIGIN), pydicom.dcmread(tmp_path / "a")
    assert found.SOPInstanceUID != seg.SOPInstanceUID and found.SeriesInstanceUID != seg.SeriesInstanceUID
    assert found.SegmentSequence[0].TrackingUID == seg.SegmentSequence[0].TrackingUID


@pytest.mark.parametrize("width", [159, 1])
def test_a_slice_of_an_odd_width_is_packed(tmp_path: Path, width: int) -> None:
    """In a process of its own: an encoder that aborts takes its process with it."""
    headers = slices(voxels((width, 7, 3)))
    write(tmp_path / "ct", headers)
    drawn = np.random.default_rng(1).integers(0, 3, (width, 7, 3)).astype(np.uint8)
    np.save(tmp_path / "drawn.npy", drawn)
    code = f"""
import numpy as np
from dataclasses import replace
from pathlib import Path
from typing import Any
from segloop.imaging.dicom.archive import series_in
from segloop.imaging.dicom.result import Form
from segloop.imaging.dicom.series import require_volume
from segloop.imaging.dicom.seg import make_seg
from tests.dicom_results import LABELS, ORIGIN
folder = Path({str(tmp_path)!r})
(headers,) = series_in(sorted((folder / "ct").iterdir()))
drawn = np.load(folder / "drawn.npy")
make_seg(require_volume(headers), drawn, LABELS, ORIGIN, form=Form.LABELMAP).save_as(folder / "map.dcm")
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = pydicom.dcmread(tmp_path / "map.dcm")
    np.testing.assert_array_equal(numbers_of(found, headers), drawn)


def test_more_than_255_labels_take_two_bytes_a_voxel(tmp_path: Path) -> None:
    (headers,) = series_in(write(tmp_path / "ct", slices(voxels((20, 20, 3)))))
    drawn = np.arange(1200, dtype=np.uint16).reshape(20, 20, 3) % 301
    labels = [Label(n, f"label {n}") for n in range(1, 301)]
    series = require_volume(headers)
    found = reread(make_seg(series, drawn, labels, ORIGIN, form=Form.LABELMAP))
    assert found.BitsAllocated == 16
    np.testing.assert_array_equal(numbers_of(found, series.headers), drawn)


def test_a_mask_without_a_label_is_refused(series: Series) -> None:
    with pytest.raises(InvalidInput) as refused:
        make_seg(series, np.zeros((14, 12, 8), np.uint8), LABELS, ORIGIN, form=Form.LABELMAP)
    assert refused.value.code == "mask_empty"
