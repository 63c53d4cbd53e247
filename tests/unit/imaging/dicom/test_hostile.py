"""Studies that were made to do harm, or that lie: each is a named refusal, or a volume of exactly the voxels that it states."""

import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import DataElement, Dataset, config
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    JPEG2000Lossless,
    RLELossless,
    RTStructureSetStorage,
    SegmentationStorage,
)

from segloop.errors import InvalidInput
from segloop.imaging import derive_ct
from segloop.imaging.dicom import archive
from segloop.imaging.sandbox import Sandbox
from tests.dicom_series import slices, voxels, write, zipped

GIB = 2**30
pytestmark = pytest.mark.filterwarnings("ignore")  # what pydicom has to say about values that are none


def found_in(path: Path, folder: Path) -> Path:
    """Read an upload as the sandbox's child does and return the NIfTI that was made of it."""
    (folder / "work" / "output").mkdir(parents=True)
    path.rename(folder / "work" / "input")
    derive_ct.derive_volume(folder / "work" / "input", folder / "work" / "output")
    return (folder / "work" / "output" / derive_ct.ORIGINAL).rename(folder / "work" / "found.nii.gz")


def refusal_of(path: Path, folder: Path) -> str:
    with pytest.raises(InvalidInput) as refused:
        found_in(path, folder)
    assert "Jane" not in refused.value.message and "4711" not in refused.value.message
    return refused.value.code


def study(folder: Path, datasets: list[Dataset], extra: dict[str, bytes] | None = None) -> Path:
    return zipped(folder / "study.zip", write(folder / "files", datasets), extra)


def changed(**values: object) -> Callable[[list[Dataset]], None]:
    """Set values in every slice, whatever pydicom thinks of them."""

    def change(found: list[Dataset]) -> None:
        for header in found:
            for keyword, value in values.items():
                element = DataElement(keyword, _vr(keyword), value, validation_mode=config.IGNORE)
                header[keyword] = element

    return change


def _vr(keyword: str) -> str:
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    found = dictionary_VR(tag_for_keyword(keyword) or 0)
    return "US" if " or " in found else found


def _other_patient(found: list[Dataset]) -> None:
    for header in found[4:]:
        header.PatientID = "other"


def _of_class(uid: str) -> Callable[[list[Dataset]], None]:
    def change(found: list[Dataset]) -> None:
        for header in found:
            header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = uid

    return change


def _big(found: list[Dataset]) -> None:
    for header in found:
        header.Rows, header.Columns = 65535, 65535


def _wide(found: list[Dataset]) -> None:
    """More columns than a NIfTI can count, and all of them there."""
    for header in found:
        header.Rows, header.Columns = 1, 40000
        header.PixelData = bytes(80000)


def _short(found: list[Dataset]) -> None:
    found[2].PixelData = found[2].PixelData[:100]


def _lying_jpeg(found: list[Dataset]) -> None:
    """A compressed slice that says it is 60,000 pixels wide."""
    found[1].PixelData = bytes(found[1].Rows * found[1].Columns * 2)
    found[1].compress(JPEG2000Lossless, generate_instance_uid=False)
    at = found[1].PixelData.index(b"\xff\x51") + 6  # SIZ: its width follows
    body = bytearray(found[1].PixelData)
    body[at : at + 4] = struct.pack(">I", 60000)
    found[1].PixelData = bytes(body)


def _lying_rle(found: list[Dataset]) -> None:
    found[1].compress(RLELossless, generate_instance_uid=False)
    body = bytearray(found[1].PixelData)
    at = body.index(struct.pack("<I", 2), 8)  # the number of segments of the first frame
    body[at : at + 12] = struct.pack("<III", 15, 0xFFFFFFF0, 0xFFFFFFFF)
    found[1].PixelData = bytes(body)


LIES: dict[str, tuple[str, Callable[[list[Dataset]], None]]] = {
    "two patients in one series": ("dicom_mixed_patients", _other_patient),
    "a PDF": ("dicom_not_ct", _of_class(EncapsulatedPDFStorage)),
    "a Segmentation": ("dicom_not_ct", _of_class(SegmentationStorage)),
    "a Structure Set": ("dicom_not_ct", _of_class(RTStructureSetStorage)),
    "colour": ("dicom_not_grey", changed(SamplesPerPixel=3, PhotometricInterpretation="RGB")),
    "a palette": ("dicom_not_grey", changed(PhotometricInterpretation="PALETTE COLOR")),
    "YBR": ("dicom_not_grey", changed(PhotometricInterpretation="YBR_FULL")),
    "65535 x 65535 pixels claimed": ("dicom_too_large", _big),
    "more columns than a NIfTI has": ("dicom_too_large", _wide),
    "no rows": ("dicom_no_geometry", changed(Rows=0)),
    "fewer pixels than stated": ("dicom_pixels", _short),
    "a JPEG 2000 of another width": ("dicom_pixels", _lying_jpeg),
    "RLE with segments beyond its end": ("dicom_pixels", _lying_rle),
    "spacing nan": ("dicom_no_geometry", changed(PixelSpacing=["nan", "1"])),
    "spacing infinite": ("dicom_no_geometry", changed(PixelSpacing=["inf", "1"])),
    "spacing negative": ("dicom_no_geometry", changed(PixelSpacing=["-0.7", "0.7"])),
    "spacing zero": ("dicom_no_geometry", changed(PixelSpacing=["0", "0.7"])),
    "spacing beyond a float": ("dicom_no_geometry", changed(PixelSpacing=["1e400", "1"])),
    "spacing of a micrometre": ("bad_spacing", changed(PixelSpacing=["0.001", "0.001"])),
    "spacing of next to nothing": ("singular_affine", changed(PixelSpacing=["1e-300", "1e-300"])),
    "position nan": ("dicom_no_geometry", changed(ImagePositionPatient=["nan", "0", "0"])),
    "direction infinite": (
        "dicom_no_geometry",
        changed(ImageOrientationPatient=["inf", "0", "0", "0", "1", "0"]),
    ),
    "direction null": ("dicom_no_geometry", changed(ImageOrientationPatient=["0"] * 6)),
    "slope nan": ("not_finite", changed(RescaleSlope="nan")),
    "slope beyond a float": ("not_finite", changed(RescaleSlope="1e400")),
    "intercept infinite": ("not_finite", changed(RescaleIntercept="-inf")),
    "series UID that is a path": ("dicom_invalid_uid", changed(SeriesInstanceUID="../../etc/passwd")),
    "study UID of 5,000 digits": ("dicom_invalid_uid", changed(StudyInstanceUID="1." * 2500 + "1")),
    "64 bits stored of 16": ("dicom_pixels", changed(BitsStored=64)),
}


@pytest.mark.parametrize("name", LIES)
def test_a_series_that_lies_is_refused_by_name(tmp_path: Path, name: str) -> None:
    code, change = LIES[name]
    found = slices(voxels((64, 72, 8)) if "JPEG" in name else voxels())
    change(found)
    assert refusal_of(study(tmp_path, found), tmp_path) == code


@pytest.mark.parametrize("harmless", ["MONOCHROME1", "executable preamble", "private bulk"])
def test_what_is_odd_and_harmless_gives_the_voxels_it_states(tmp_path: Path, harmless: str) -> None:
    found = slices(voxels())
    for header in found:
        if harmless == "MONOCHROME1":  # says how it is shown, not what it means
            header.PhotometricInterpretation = harmless
        elif harmless == "executable preamble":
            header.preamble = b"MZ\x90\x00".ljust(128, b"\xcc")
        else:
            header.add_new(0x00090010, "LO", "SOMEBODY")
            header.add_new(0x00091001, "OB", b"#!/bin/sh\ntouch ran\n" * 1000)
    image = nib.load(found_in(study(tmp_path, found), tmp_path))
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels())
    kept = [path.read_bytes() for path in (tmp_path / "work").rglob("*") if path.is_file()]
    assert not any(b"MZ\x90\x00" in body or b"touch ran" in body for body in kept)


def deep(levels: int) -> bytes:
    """A sequence within a sequence, without lengths, and no end."""
    item = b"\x08\x00\x15\x11SQ\x00\x00\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return item * levels


@pytest.mark.parametrize("name", ["4 GiB length", "deep sequences", "cut in a sequence", "endless"])
def test_a_file_whose_lengths_lie_is_unreadable_or_no_slice(tmp_path: Path, name: str) -> None:
    files = write(tmp_path / "files", slices(voxels()))
    body = files[3].read_bytes()
    at = body.index(b"\x10\x00\x10\x00PN")
    evil = {
        "4 GiB length": b"\x09\x00\x10\x10UN\x00\x00\xfe\xff\xff\xff",
        "deep sequences": deep(5000),
        "cut in a sequence": deep(1),
        "endless": b"\x09\x00\x10\x10OB\x00\x00\xff\xff\xff\xff",
    }[name]
    files[3].write_bytes(body[:at] + evil + body[at:])
    archive_ = zipped(tmp_path / "study.zip", files)
    assert refusal_of(archive_, tmp_path) in ("dicom_unreadable", "dicom_missing_uid", "dicom_missing_slices")


def entry(path: Path, change: Callable[[zipfile.ZipInfo], None], body: bytes) -> None:
    info = zipfile.ZipInfo("slice.dcm")
    change(info)
    with zipfile.ZipFile(path, "a") as target:
        target.writestr(info, body)


def _mode(mode: int) -> Callable[[zipfile.ZipInfo], None]:
    def change(info: zipfile.ZipInfo) -> None:
        info.create_system, info.external_attr = 3, mode << 16

    return change


def test_names_links_devices_and_zips_within_a_zip_change_nothing(tmp_path: Path) -> None:
    """All that is no slice under a harmless name: the volume is of the slices alone, and no file lies elsewhere."""
    files = write(tmp_path / "files", slices(voxels()))
    odd = {
        **dict.fromkeys(("../../outside", "/tmp/outside", "..\\outside", "a/../../outside"), b"x"),
        "nested.zip": zipped(tmp_path / "inner.zip", files).read_bytes(),
        "x" * 300 + ".dcm": b"a long name",
        "STUDY/\u202egpj.dcm": b"a name that reads backwards",
        "study/dicomdir": b"an index",
    }
    found = zipped(tmp_path / "study.zip", files, odd)
    entry(found, _mode(0o120777), b"/etc/passwd")  # a link
    entry(found, _mode(0o120777), bytes(128) + b"DICM" + b"/etc/passwd")
    entry(found, _mode(0o020666), b"a device")
    before = {path for path in tmp_path.parent.rglob("*") if "work" not in path.parts}
    image = nib.load(found_in(found, tmp_path))
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels())
    after = {path for path in tmp_path.parent.rglob("*") if "work" not in path.parts}
    assert after <= before and not Path("/tmp/outside").exists()


def test_a_slice_that_is_there_twice_under_one_name_is_a_duplicate(tmp_path: Path) -> None:
    files = write(tmp_path / "files", slices(voxels()))
    found = zipped(tmp_path / "study.zip", files)
    with zipfile.ZipFile(found, "a") as target, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target.writestr(f"study/files/{files[0].name}", files[0].read_bytes())
    assert refusal_of(found, tmp_path) == "dicom_duplicate_instance"


def _flagged(body: bytes) -> bytes:
    """Say of every entry that it is encrypted."""
    found = bytearray(body)
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (start := found.find(magic, start)) >= 0:
            found[start + at] |= 1
            start += 4
    return bytes(found)


def _sized(body: bytes, value: int) -> bytes:
    """Say of the first entry in the directory that it has another size, packed and unpacked."""
    at = body.index(b"PK\x01\x02")
    return body[: at + 20] + struct.pack("<II", value, value) + body[at + 28 :]


def _method(body: bytes, method: int) -> bytes:
    found = bytearray(body)
    found[body.index(b"PK\x01\x02") + 10] = method
    found[8] = method
    return bytes(found)


def _offset(body: bytes, value: int) -> bytes:
    at = body.index(b"PK\x01\x02")
    return body[: at + 42] + struct.pack("<I", value) + body[at + 46 :]


def _nameless(body: bytes) -> bytes:
    at = body.index(b"PK\x01\x02")
    n = struct.unpack("<H", body[at + 28 : at + 30])[0]
    return body[: at + 28] + struct.pack("<HH", 0, n) + body[at + 32 :]


ARCHIVES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "encrypted": ("zip_broken", _flagged),
    "cut off": ("zip_broken", lambda body: body[: len(body) // 2]),
    "a size that is too small": ("zip_broken", lambda body: _sized(body, 20)),
    "a method nobody knows": ("zip_broken", lambda body: _method(body, 99)),
    "bzip2 that is none": ("zip_broken", lambda body: _method(body, 12)),
    "LZMA that is none": ("zip_broken", lambda body: _method(body, 14)),
    "an entry beyond the end": ("zip_broken", lambda body: _offset(body, 0x7FFFFFFF)),
    "an entry without a name": ("zip_broken", lambda body: _nameless(body)),  # found by fuzzing
    "an entry that is another's middle": ("zip_broken", lambda body: _offset(body, 50)),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_lies_is_refused(tmp_path: Path, name: str) -> None:
    code, change = ARCHIVES[name]
    found = study(tmp_path, slices(voxels()))
    found.write_bytes(change(found.read_bytes()))
    assert refusal_of(found, tmp_path) == code


def test_a_directory_that_announces_4_gib_is_not_believed(tmp_path: Path) -> None:
    """Sizes as of a zip64 without its field: what counts is what is unpacked, and that is the slices."""
    found = study(tmp_path, slices(voxels()))
    found.write_bytes(_sized(found.read_bytes(), 0xFFFFFFFF))
    image = nib.load(found_in(found, tmp_path))
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels())


def test_an_archive_of_more_entries_than_any_study_is_refused_unread(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as target:
        for number in range(archive.MAX_FILES + 1):
            target.writestr(str(number), b"")
    assert refusal_of(tmp_path / "many.zip", tmp_path) == "zip_excessive"


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_bombs_of_every_packing_are_refused_within_the_childs_limits(tmp_path: Path, kind: int) -> None:
    """32 MiB of nothing, as one slice."""
    with (
        zipfile.ZipFile(tmp_path / "input", "w", kind) as target,
        target.open("bomb.dcm", "w") as file,
    ):
        file.write(bytes(128) + b"DICM")
        for _ in range(32):
            file.write(bytes(1 << 20))
    assert (tmp_path / "input").stat().st_size < 2 << 20
    with pytest.raises(InvalidInput) as refused:
        Sandbox(memory_bytes=GIB, limit_s=120).run("volume", tmp_path)
    assert refused.value.code == "zip_excessive"


def test_many_entries_that_share_one_kernel_unpack_no_more_than_the_limit(tmp_path: Path) -> None:
    """Overlapping entries, as in the better zip bombs: each name in the directory points to the same packed bytes."""
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("0", bytes(128) + b"DICM" + bytes(1 << 20))
    body = (tmp_path / "bomb.zip").read_bytes()
    at, end = body.index(b"PK\x01\x02"), body.index(b"PK\x05\x06")
    one = body[at:end]
    fields = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1000, 1000, len(one) * 1000, at, 0)
    (tmp_path / "bomb.zip").write_bytes(body[:at] + one * 1000 + fields)
    assert refusal_of(tmp_path / "bomb.zip", tmp_path) in ("zip_excessive", "zip_broken")
    written = sum(path.stat().st_size for path in (tmp_path / "work").rglob("*") if path.is_file())
    assert written < 16 << 20


def test_a_deflated_slice_that_unpacks_without_measure_is_refused(tmp_path: Path) -> None:
    """A DICOM file of the deflated syntax is a bomb that the zip's own limits do not see."""
    files = write(tmp_path / "files", slices(voxels()))
    found = slices(voxels())[3]
    found.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    found.save_as(files[3], enforce_file_format=True)
    head = files[3].read_bytes()
    start = 132 + 12 + read_file_meta_info(files[3]).FileMetaInformationGroupLength
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    whole = packer.compress(zlib.decompress(head[start:], -zlib.MAX_WBITS)) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    files[3].write_bytes(head[:start] + whole + 1100 * zeros + packer.flush())
    with zipfile.ZipFile(tmp_path / "input", "w") as target:  # stored: the zip itself is no bomb
        for file in files:
            target.write(file, file.name)
    with pytest.raises(InvalidInput) as refused:
        Sandbox(memory_bytes=GIB, limit_s=120).run("volume", tmp_path)
    assert refused.value.code in ("dicom_unreadable", "volume_too_large")
