"""DICOM Segmentations of whoever wrote them come in as the same voxels, or are refused with what to do."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
from highdicom.seg import SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.sr.codedict import codes

from segloop.errors import InvalidInput
from segloop.imaging.dicom.import_mask import import_mask
from segloop.imaging.dicom.result import Origin
from segloop.imaging.dicom.seg import make_seg
from segloop.imaging.dicom.series import Series
from tests.dicom_series import DIRECTIONS, write, zipped
from tests.imported import LABELS, SHAPE, ct, mask, read, refused

ORIGIN = Origin("ab" * 32, datetime(2026, 11, 3, 9, 8, 7, tzinfo=UTC), "0.1.0", "starter v7", "cd" * 32)


@pytest.fixture(params=DIRECTIONS.values(), ids=DIRECTIONS.keys())
def series(tmp_path: Path, request: pytest.FixtureRequest) -> Series:
    return ct(tmp_path, request.param)


def seg(series: Series, array: NDArray[np.uint8] | None = None) -> pydicom.Dataset:
    found = make_seg(series, mask() if array is None else array, LABELS.labels, ORIGIN)
    found.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    return found


def labelmap(series: Series) -> pydicom.Dataset:
    described = [
        SegmentDescription(
            number, label.name, codes.SCT.Tissue, codes.SCT.Tissue, hd.seg.SegmentAlgorithmTypeValues.MANUAL
        )
        for number, label in enumerate(LABELS.labels[:3], 1)
    ]
    numbers = np.array([0, 1, 2, 0, 3], np.uint8)
    return hd.seg.Segmentation(
        source_images=series.headers,
        pixel_array=numbers[mask()].transpose(2, 1, 0),
        segmentation_type=SegmentationTypeValues.LABELMAP,
        segment_descriptions=described,
        series_instance_uid=hd.UID(),
        series_number=5,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="Another",
        manufacturer_model_name="tool",
        software_versions="1",
        device_serial_number="0",
    )


def test_our_own_segmentation_comes_back_voxel_by_voxel(series: Series, tmp_path: Path) -> None:
    found = read(tmp_path, seg(series))
    np.testing.assert_array_equal(found.mask, mask())
    assert (found.labels, found.notes) == ([1, 2, 4], [])


@pytest.mark.parametrize("compressed", [False, True])
def test_a_label_map_of_highdicom_comes_in_voxel_by_voxel(
    series: Series, tmp_path: Path, compressed: bool
) -> None:
    found = labelmap(series)
    if compressed:
        found.compress(pydicom.uid.RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    np.testing.assert_array_equal(read(tmp_path, found).mask, mask())


@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)])
def test_a_segmentation_of_dcmqi_comes_in_voxel_by_voxel(
    series: Series, tmp_path: Path, flip: tuple[int, ...]
) -> None:
    """However the image lay in memory that dcmqi made it from."""
    turn = tuple(slice(None, None, step) for step in flip)
    affine = series.geometry.affine.copy()
    for axis, step in enumerate(flip):
        if step < 0:
            affine[:3, 3] += affine[:3, axis] * (SHAPE[axis] - 1)
            affine[:3, axis] *= -1
    nib.save(nib.Nifti1Image(mask()[turn], affine), tmp_path / "mask.nii")  # type: ignore[no-untyped-call]
    description = {
        "ContentCreatorName": "Reader1",
        "SeriesDescription": "Segmentation",
        "segmentAttributes": [
            [
                {
                    "labelID": label.index,
                    "SegmentLabel": label.name.upper().replace("_", " "),
                    "SegmentAlgorithmType": "MANUAL",
                    "SegmentedPropertyCategoryCodeSequence": _code("85756007", "Tissue"),
                    "SegmentedPropertyTypeCodeSequence": _code("85756007", "Tissue"),
                }
                for label in LABELS.labels[:3]
            ]
        ],
    }
    (tmp_path / "meta.json").write_text(json.dumps(description))
    command = [
        Path(sys.executable).with_name("itkimage2segimage"),
        *("--inputImageList", tmp_path / "mask.nii"),
        *("--inputDICOMDirectory", tmp_path / "ct"),
        *("--inputMetadata", tmp_path / "meta.json"),
        *("--outputDICOM", tmp_path / "dcmqi.dcm"),
    ]
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    np.testing.assert_array_equal(read(tmp_path, tmp_path / "dcmqi.dcm").mask, mask())


def _code(value: str, meaning: str) -> dict[str, str]:
    return {"CodeValue": value, "CodingSchemeDesignator": "SCT", "CodeMeaning": meaning}


def test_frames_lie_where_they_say_and_not_where_they_stand(tmp_path: Path) -> None:
    found = seg(ct(tmp_path))
    frames = np.unpackbits(np.frombuffer(found.PixelData, np.uint8), bitorder="little")
    n = found.NumberOfFrames
    frames = frames[: n * 143].reshape(n, 143)
    order = np.random.default_rng(3).permutation(n)
    found.PerFrameFunctionalGroupsSequence = [found.PerFrameFunctionalGroupsSequence[i] for i in order]
    found.PixelData = (
        np.packbits(frames[order], bitorder="little").tobytes().ljust(len(found.PixelData), b"\0")
    )
    np.testing.assert_array_equal(read(tmp_path, found).mask, mask())


def test_frames_that_are_cropped_on_the_grid_are_placed(tmp_path: Path) -> None:
    series = ct(tmp_path)
    found = seg(series)
    frames = np.unpackbits(np.frombuffer(found.PixelData, np.uint8), bitorder="little")
    frames = frames[: found.NumberOfFrames * 143].reshape(-1, 11, 13)[:, 2:, :]
    found.Rows = 9
    found.PixelData = np.packbits(frames, bitorder="little").tobytes()
    for item in found.PerFrameFunctionalGroupsSequence:
        item.PlanePositionSequence[0].ImagePositionPatient[1] += 2 * 0.8
    expected = mask()
    expected[:, :2] = 0
    np.testing.assert_array_equal(read(tmp_path, found).mask, expected)


def test_a_zip_with_the_ct_and_one_object_is_read(tmp_path: Path) -> None:
    seg(ct(tmp_path)).save_as(tmp_path / "one.dcm")
    files = [*sorted((tmp_path / "ct").iterdir()), tmp_path / "one.dcm"]
    found = read(tmp_path, zipped(tmp_path / "all.zip", files, {"DICOMDIR": b"x", "readme.txt": b"x"}))
    np.testing.assert_array_equal(found.mask, mask())


def test_a_zip_with_none_or_several_objects_is_refused(tmp_path: Path) -> None:
    seg(ct(tmp_path)).save_as(tmp_path / "one.dcm")
    files = sorted((tmp_path / "ct").iterdir())
    for n, code in enumerate(["mask_object_missing", "mask_objects_several"]):
        more = [tmp_path / "one.dcm"] * 2 if n else []
        archive = zipped(tmp_path / f"{n}.zip", [*files, *dict.fromkeys(more)], {})
        if n:
            second = write(tmp_path / "second", [pydicom.dcmread(tmp_path / "one.dcm")])
            archive = zipped(tmp_path / f"{n}.zip", [*files, tmp_path / "one.dcm", *second])
        with pytest.raises(InvalidInput) as error:
            (tmp_path / f"unpacked {n}").mkdir()
            import_mask(
                archive, tmp_path / "headers.zip", tmp_path / f"unpacked {n}", labels=LABELS, label_map={}
            )
        assert error.value.code == code


def _first(found: pydicom.Dataset) -> pydicom.Dataset:
    item: pydicom.Dataset = found.PerFrameFunctionalGroupsSequence[0]
    return item


def _move(axis: int, by: float) -> Callable[[pydicom.Dataset], None]:
    def change(found: pydicom.Dataset) -> None:
        for item in found.PerFrameFunctionalGroupsSequence:
            item.PlanePositionSequence[0].ImagePositionPatient[axis] += by

    return change


def _set(**values: Any) -> Callable[[pydicom.Dataset], None]:
    def change(found: pydicom.Dataset) -> None:
        for keyword, value in values.items():
            setattr(found, keyword, value)

    return change


def _nan(found: pydicom.Dataset) -> None:
    where = _first(found).PlanePositionSequence[0]
    where["ImagePositionPatient"] = DataElement(
        "ImagePositionPatient", "DS", ["nan", "0", "0"], validation_mode=pydicom.config.IGNORE
    )


def _spacing(found: pydicom.Dataset) -> None:
    found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [0.8, 0.71]


def _turned(found: pydicom.Dataset) -> None:
    orientation = found.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]


def _twice(found: pydicom.Dataset) -> None:
    items = found.PerFrameFunctionalGroupsSequence
    items[1].PlanePositionSequence = items[0].PlanePositionSequence


def _unknown_segment(found: pydicom.Dataset) -> None:
    _first(found).SegmentIdentificationSequence[0].ReferencedSegmentNumber = 77


def _another_series(found: pydicom.Dataset) -> None:
    found.ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3"


def _no_frames(found: pydicom.Dataset) -> None:
    del found.PerFrameFunctionalGroupsSequence


def _no_number(found: pydicom.Dataset) -> None:
    del found.SegmentSequence[0].SegmentNumber


BAD: dict[str, tuple[str, Callable[[pydicom.Dataset], None]]] = {
    "another patient": ("mask_other_patient", _set(PatientID="other")),
    "another study": ("mask_other_study", _set(StudyInstanceUID="1.2.3")),
    "another series": ("mask_other_series", _another_series),
    "another frame of reference": ("mask_frame_of_reference", _set(FrameOfReferenceUID="1.2.3")),
    "half a voxel aside": ("mask_grid", _move(0, 0.35)),
    "between slices": ("mask_grid", _move(2, 1.25)),
    "0.02 mm aside": ("mask_grid", _move(1, 0.02)),
    "a voxel aside": ("mask_outside", _move(0, 0.7)),
    "above the CT": ("mask_outside", _move(2, 100.0)),
    "far away": ("mask_outside", _move(2, 1e300)),
    "no number": ("mask_grid", _nan),
    "another pixel spacing": ("mask_grid", _spacing),
    "another plane": ("mask_grid", _turned),
    "two frames in one place": ("seg_frames_twice", _twice),
    "a segment that isn't described": ("seg_broken", _unknown_segment),
    "fractional": ("seg_fractional", _set(SegmentationType="FRACTIONAL", BitsAllocated=8)),
    "8 bits": ("seg_broken", _set(BitsAllocated=8)),
    "32 bits": ("seg_broken", _set(BitsAllocated=32)),
    "too many frames": ("seg_broken", _set(NumberOfFrames=2_000_000_000)),
    "a huge frame": ("mask_outside", _set(Rows=65535, Columns=65535)),
    "no frame": ("seg_broken", _no_frames),
    "cut off": ("seg_broken", _set(PixelData=b"\0" * 100)),
    "a segment without a number": ("mask_object_broken", _no_number),
    "no segments": ("seg_broken", _set(SegmentSequence=[])),
    "a CT slice": ("mask_object_missing", _set(SOPClassUID="1.2.840.10008.5.1.4.1.1.2")),
}


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
@pytest.mark.parametrize("name", BAD)
def test_what_is_not_of_this_ct_or_damaged_is_refused(tmp_path: Path, name: str) -> None:
    code, change = BAD[name]
    found = seg(ct(tmp_path))
    change(found)
    assert refused(tmp_path, found).code == code


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    seg(ct(tmp_path)).save_as(tmp_path / "whole.dcm")
    whole = (tmp_path / "whole.dcm").read_bytes()
    for n in (140, 400, len(whole) // 2, len(whole) - 60):
        (tmp_path / "cut.dcm").write_bytes(whole[:n])
        with pytest.raises(InvalidInput) as error:
            import_mask(tmp_path / "cut.dcm", tmp_path / "headers.zip", tmp_path, labels=LABELS, label_map={})
        assert error.value.code in ("mask_object_missing", "mask_object_broken", "seg_broken"), n


def test_segments_that_share_voxels_are_refused_by_name_unless_they_are_one_label(tmp_path: Path) -> None:
    found = seg(ct(tmp_path))
    bits = np.unpackbits(np.frombuffer(found.PixelData, np.uint8), bitorder="little")
    for index, item in enumerate(found.PerFrameFunctionalGroupsSequence):
        if item.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 2:
            item.PlanePositionSequence = found.PerFrameFunctionalGroupsSequence[
                index - 3
            ].PlanePositionSequence
            bits[index * 143 : (index + 1) * 143] = bits[(index - 3) * 143 : (index - 2) * 143]
    found.PixelData = np.packbits(bits, bitorder="little").tobytes()
    error = refused(tmp_path, found)
    assert error.code == "mask_overlap" and error.details["pairs"] == [["parotid_left", "parotid_right"]]
    together = read(tmp_path, found, {"parotid right": "Parotid Left"})
    assert together.labels == [1, 4] and int((together.mask == 1).sum()) == 30
    apart = read(tmp_path, found, {"parotid right": None})
    assert apart.notes == ["1 structure left out as asked"] and int((apart.mask == 1).sum()) == 30


@pytest.mark.filterwarnings("ignore")
def test_bytes_that_were_changed_at_random_give_a_mask_or_a_refusal(tmp_path: Path) -> None:
    seg(ct(tmp_path)).save_as(tmp_path / "whole.dcm")
    whole = (tmp_path / "whole.dcm").read_bytes()
    random = np.random.default_rng(11)
    refusals = 0
    for _ in range(150):
        body = bytearray(whole)
        for at in random.integers(132, len(body), 5):
            body[at] = random.integers(256)
        (tmp_path / "object.dcm").write_bytes(body)
        try:
            assert read(tmp_path, tmp_path / "object.dcm").mask.shape == SHAPE
        except InvalidInput:
            refusals += 1
    assert refusals > 50
