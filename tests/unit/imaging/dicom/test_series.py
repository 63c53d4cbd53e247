"""A DICOM series becomes exactly one grid in HU, or a refusal that says what is wrong; never a wrong volume."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from segloop.errors import InvalidInput
from segloop.imaging.dicom.archive import pack_headers, series_in, unpack, unpack_headers
from segloop.imaging.dicom.convert import read_hu, write_nifti
from segloop.imaging.dicom.series import Series, choose, require_volume
from tests.dicom_series import AXIAL, BROKEN, DIRECTIONS, slices, voxels, write, zipped


def series_of(folder: Path, datasets: list[Dataset]) -> Series:
    (headers,) = series_in(write(folder, datasets))
    return require_volume(headers)


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_every_voxel_lies_where_dicom_says(tmp_path: Path, direction: tuple[float, ...]) -> None:
    volume = voxels()
    found = series_of(tmp_path, slices(volume, direction=direction))
    np.testing.assert_array_equal(read_hu(found), volume)
    # PS3.3 C.7.6.2.1.1: position of pixel (column i, row j) = IPP + row cosines * dj * i + column cosines * di * j.
    for x, y, z in [(0, 0, 0), (13, 0, 0), (0, 11, 0), (0, 0, 7), (5, 3, 2)]:
        header = found.headers[z]
        ipp, cosines = np.array(header.ImagePositionPatient, float), np.array(direction)
        rows, columns = (float(value) for value in header.PixelSpacing)
        lps = ipp + cosines[:3] * columns * x + cosines[3:] * rows * y
        ras = found.geometry.affine @ [x, y, z, 1]
        np.testing.assert_allclose(ras[:3], lps * [-1, -1, 1], atol=1e-5)


@pytest.mark.parametrize(("code", "change"), BROKEN.items(), ids=BROKEN.keys())
def test_a_series_that_is_no_even_volume_is_refused_with_its_code(
    tmp_path: Path, code: str, change: Callable[[list[Dataset]], list[Dataset]]
) -> None:
    headers = [header for some in series_in(write(tmp_path, change(slices(voxels())))) for header in some]
    with pytest.raises(InvalidInput) as refused:
        require_volume(headers)
    assert refused.value.code == code
    assert "Jane" not in refused.value.message and "4711" not in refused.value.message


def test_a_localizer_among_the_slices_is_dropped_and_said(tmp_path: Path) -> None:
    found = slices(voxels())
    scout = slices(voxels(seed=3), seed="scout")[0]
    scout.ImageType, scout.ImageOrientationPatient = ["ORIGINAL", "PRIMARY", "LOCALIZER"], [1, 0, 0, 0, 0, -1]
    scout.StudyInstanceUID, scout.SeriesInstanceUID = found[0].StudyInstanceUID, found[0].SeriesInstanceUID
    series = series_of(tmp_path, [*found, scout])
    assert series.warnings == ["localizer_dropped"] and series.geometry.shape == (14, 12, 8)


def test_each_slice_has_its_own_rescale(tmp_path: Path) -> None:
    found, volume = slices(voxels()), voxels().astype(np.float32)
    for z in (1, 5):
        found[z].RescaleSlope, found[z].RescaleIntercept = "0.5", "-1000"
        volume[:, :, z] = (volume[:, :, z] + 1024) * 0.5 - 1000
    series = series_of(tmp_path, found)
    assert "rescale_varies" in series.warnings
    np.testing.assert_array_equal(read_hu(series), volume)


def test_signed_pixels_with_padding_keep_what_they_state(tmp_path: Path) -> None:
    found, volume = slices(voxels()), voxels()
    volume[:3] = -2000
    for z, header in enumerate(found):
        header.PixelRepresentation, header.RescaleIntercept, header.PixelPaddingValue = 1, "0", -2000
        header["PixelPaddingValue"].VR = "SS"
        header.PixelData = volume[:, :, z].T.astype(np.int16).tobytes()
    np.testing.assert_array_equal(read_hu(series_of(tmp_path, found)), volume)


def test_jitter_of_a_few_micrometres_is_no_gap(tmp_path: Path) -> None:
    found = slices(voxels())
    for z, header in enumerate(found):
        header.ImagePositionPatient[2] += 0.004 * (-1) ** z
    assert series_of(tmp_path, found).geometry.spacing_mm == pytest.approx((0.7, 0.8, 2.5), abs=2e-3)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless], ids=lambda uid: uid.name)
def test_lossless_compression_changes_nothing(tmp_path: Path, syntax: str) -> None:
    found = slices(voxels((64, 72, 4)))
    for header in found:
        header.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(read_hu(series_of(tmp_path, found)), voxels((64, 72, 4)))


def test_pixels_that_cannot_be_decoded_are_refused(tmp_path: Path) -> None:
    found = slices(voxels((64, 72, 4)))
    found[2].compress(JPEG2000Lossless, generate_instance_uid=False)
    found[2].PixelData = found[2].PixelData[:60] + bytes(len(found[2].PixelData) - 60)
    with pytest.raises(InvalidInput) as refused:
        read_hu(series_of(tmp_path, found))
    assert refused.value.code == "dicom_pixels"


def test_the_nifti_holds_the_same_voxels_and_grid_and_no_names(tmp_path: Path) -> None:
    series = series_of(tmp_path / "dicom", slices(voxels(), direction=DIRECTIONS["oblique"]))
    write_nifti(tmp_path / "a.nii.gz", series)
    write_nifti(tmp_path / "b.nii.gz", series)
    body = (tmp_path / "a.nii.gz").read_bytes()
    assert body == (tmp_path / "b.nii.gz").read_bytes() and b"Jane" not in body and b"4711" not in body
    image = nib.load(tmp_path / "a.nii.gz")  # type: ignore[attr-defined]
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels())
    np.testing.assert_allclose(image.affine, series.geometry.affine, atol=1e-4)


def test_of_a_study_the_longest_original_axial_series_is_chosen(tmp_path: Path) -> None:
    best, short = slices(voxels(), seed="best"), slices(voxels((14, 12, 4)), seed="short")
    coronal = slices(voxels((14, 12, 20)), direction=DIRECTIONS["coronal"], seed="coronal")
    broken = _holed(slices(voxels((14, 12, 30)), seed="broken"))
    files = write(tmp_path / "study", [*short, *coronal, *best, *broken])
    archive = zipped(
        tmp_path / "study.zip", files, {"DICOMDIR": b"x", "readme.txt": b"hello", "../evil.dcm": b"no"}
    )
    (tmp_path / "unpacked").mkdir()
    found = series_in(unpack(archive, tmp_path / "unpacked"))
    series, reasons = choose(found)
    assert series.headers[0].SeriesInstanceUID == best[0].SeriesInstanceUID
    assert len(reasons) == 3 and any("missing" in reason for reason in reasons)
    assert not (tmp_path / "evil.dcm").exists()


def test_a_study_without_any_usable_series_says_why_of_each(tmp_path: Path) -> None:
    files = write(tmp_path / "a", _holed(slices(voxels(), seed="a"))) + write(
        tmp_path / "b", slices(voxels(), seed="b")[:2]
    )
    with pytest.raises(InvalidInput) as refused:
        choose(series_in(files))
    assert refused.value.code == "dicom_no_ct"
    assert "missing" in refused.value.message and "2 slices" in refused.value.message
    with pytest.raises(InvalidInput) as refused:
        choose([])
    assert refused.value.code == "dicom_no_ct"


@pytest.mark.parametrize("body", [b"PK\x03\x04 nothing", b"PK\x05\x06"])
def test_a_broken_zip_is_refused(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(body)
    with pytest.raises(InvalidInput) as refused:
        unpack(tmp_path / "a.zip", tmp_path)
    assert refused.value.code == "zip_broken"


def test_a_zip_that_packs_far_too_tight_is_refused(tmp_path: Path) -> None:
    bomb = bytes(128) + b"DICM" + bytes(50 << 20)
    archive = zipped(tmp_path / "a.zip", [], {"a.dcm": bomb})
    with pytest.raises(InvalidInput) as refused:
        unpack(archive, tmp_path)
    assert refused.value.code == "zip_excessive"


def _holed(found: list[Dataset]) -> list[Dataset]:
    assert tuple(found[0].ImageOrientationPatient) == AXIAL
    return [*found[:3], *found[4:]]


def test_directions_of_a_length_that_is_not_quite_one_make_no_volume_longer(tmp_path: Path) -> None:
    found = slices(voxels())
    for header in found:
        header.ImageOrientationPatient = [value * 1.0009 for value in AXIAL]
    assert series_of(tmp_path, found).geometry.spacing_mm == pytest.approx((0.7, 0.8, 2.5), abs=1e-6)


@pytest.mark.parametrize("cut", [132, 140, 300])
@pytest.mark.parametrize("z", [0, 3, 7])
def test_a_file_that_cannot_be_read_is_said_for_it_may_be_a_slice(tmp_path: Path, z: int, cut: int) -> None:
    files = [write(tmp_path / str(at), [one])[0] for at, one in enumerate(slices(voxels()))]
    files[z].write_bytes(files[z].read_bytes()[:cut])
    with pytest.raises(InvalidInput) as refused:
        series_in(files)
    assert refused.value.code == "dicom_unreadable"


@pytest.mark.parametrize(("keyword", "value"), [("RescaleSlope", ["1", "1"]), ("ImageType", None)])
def test_values_of_other_kinds_refuse_their_series_and_not_the_study(
    tmp_path: Path, keyword: str, value: object
) -> None:
    good, odd = slices(voxels(), seed="good"), slices(voxels((14, 12, 30)), seed="odd")
    for header in odd:
        setattr(header, keyword, value)
    series, _ = choose(series_in(write(tmp_path, [*good, *odd])))
    wanted = odd if keyword == "ImageType" else good
    assert series.headers[0].SeriesInstanceUID == wanted[0].SeriesInstanceUID


def test_a_thickness_that_is_no_number_is_no_reason_to_refuse(tmp_path: Path) -> None:
    files = write(tmp_path, slices(voxels()))
    for file in files:
        body = file.read_bytes()
        thickness = b"\x18\x00\x50\x00DS\x04\x00"
        assert body.count(thickness + b"2.5 ") == 1
        file.write_bytes(body.replace(thickness + b"2.5 ", thickness + b"2,5 "))
    (headers,) = series_in(files)
    assert require_volume(headers).warnings == []


def test_packed_headers_come_back_as_they_were_though_only_differences_are_written(tmp_path: Path) -> None:
    found = slices(voxels())
    for header in found:
        header.ImageComments = "the same"
    found[2].ImageComments = "another"
    del found[3].ImageComments, found[3].KVP
    found[4].SpecificCharacterSet, found[4].PatientName = "ISO_IR 100", "Müller^Jörg"
    item = Dataset()
    item.CodeMeaning = "code"
    found[5].ProcedureCodeSequence = [item]
    headers = series_in(write(tmp_path / "s", found))[0]
    headers.sort(key=lambda header: -header.InstanceNumber)
    pack_headers(headers, tmp_path / "headers.zip")
    again = unpack_headers(tmp_path / "headers.zip")
    assert len(again) == len(headers)
    assert [one.get("ImageComments") for one in again] == [
        "the same",
        "the same",
        "another",
        None,
        *["the same"] * 4,
    ]
    for before, after in zip(headers, again, strict=True):
        before.decode()
        before.SpecificCharacterSet = "ISO_IR 192"
        assert before == after
        assert after.file_meta.MediaStorageSOPInstanceUID == before.SOPInstanceUID
