"""What a de-identified CT keeps of its headers, and that its stored values are those of the source."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from segloop.errors import InvalidInput
from segloop.imaging import nifti
from segloop.imaging.dicom import allowed, archive, export
from segloop.imaging.dicom.convert import write_nifti
from segloop.imaging.dicom.deidentify import deidentify, new_uid
from segloop.imaging.dicom.series import require_volume
from tests.dicom_series import slices, voxels, write

ORIGIN = {
    "mask_sha256": "00",
    "made_at": "2026-11-30T10:00:00+00:00",
    "software": "1",
    "made_by": "Ann Otator",
    "review": {
        "by": "Rae Viewer",
        "role": "reviewer",
        "slices": "",
        "labels": ["parotid_right"],
        "at": "2026-11-30T11:00:00+00:00",
    },
    "earlier": [{"by": "", "role": "", "slices": "", "labels": None, "at": "2026-11-30T10:00:00+00:00"}],
}
LABELS = [{"index": 3, "name": "parotid_right", "color": "#e8683f"}]


def exported(
    folder: Path,
    source: list[pydicom.Dataset],
    mask: np.ndarray[Any, Any] | None = None,
    **changes: Any,
) -> dict[str, pydicom.Dataset]:
    """Return an export's objects by name; `changes` are made to the headers after the voxels were read."""
    files = write(folder / "ct", source)
    series = require_volume([pydicom.dcmread(file, stop_before_pixels=True) for file in files])
    write_nifti(folder / "volume", series)
    for header in series.headers:
        for keyword, value in changes.items():
            setattr(header, keyword, value)
    archive.pack_headers(series.headers, folder / "headers.zip")
    if mask is not None:
        nifti.write_mask(folder / "mask.nii.gz", mask, series.geometry)
    found = export.files(
        folder / "volume",
        folder / "headers.zip",
        pseudonym="P-1",
        uid_key=b"key",
        mask=None if mask is None else folder / "mask.nii.gz",
        labels=LABELS,
        origin=ORIGIN,
    )
    return {name: pydicom.dcmread(BytesIO(body)) for name, body in found}


def test_values_beyond_the_bits_that_a_header_states_are_kept(tmp_path: Path) -> None:
    source = slices(voxels(seed=7))  # some decoders give more than the header states
    stored = {tuple(map(float, one.ImagePositionPatient)): one.PixelData for one in source}
    copies = exported(tmp_path, source, BitsStored=10, HighBit=9)
    assert len(copies) == 8
    for one in copies.values():
        assert one.PixelData == stored[tuple(map(float, one.ImagePositionPatient))]
        assert np.frombuffer(one.PixelData, "<u2").max() < 1 << one.BitsStored
        assert one.HighBit == one.BitsStored - 1
    assert any(one.BitsStored == 16 for one in copies.values())


def test_a_mask_goes_along_where_the_source_states_no_thickness_and_names_nobody_who_drew(
    tmp_path: Path,
) -> None:
    source = slices(voxels(seed=8))
    for header in source:
        del header.SliceThickness
    mask = np.zeros((14, 12, 8), np.uint8)
    mask[3:6, 2:5, 1:4] = 3
    copies = exported(tmp_path, source, mask)
    seg = copies["mask/seg.dcm"]
    assert seg.StudyInstanceUID == copies["ct/00001.dcm"].StudyInstanceUID != source[0].StudyInstanceUID
    assert "SliceThickness" not in copies["ct/00001.dcm"]
    texts = " ".join(
        str(element.value) for element in seg.iterall() if element.VR in ("PN", "LO", "SH", "ST")
    )
    assert "Ann" not in texts and "Rae" not in texts and "annotator" in texts


def test_voxels_that_do_not_fit_the_headers_are_no_export(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        exported(tmp_path, slices(voxels(seed=9)), RescaleIntercept="5000")
    assert caught.value.code == "export_mismatch"


def test_new_uids_depend_on_the_key_and_are_valid() -> None:
    one, other = new_uid("1.2.3", b"a"), new_uid("1.2.3", b"b")
    assert one == new_uid("1.2.3", b"a") != other
    assert pydicom.uid.UID(one).is_valid and one.startswith("2.25.")


@pytest.mark.parametrize("text", ["B30f", "Br40d", "FC08", "STANDARD", "YA", "B", "H60s"])
def test_kernels_are_kept(text: str) -> None:
    assert allowed.kernel(text) == [text]


@pytest.mark.parametrize("text", ["Doe", "DOE", "Jane", "4711", "B30f Doe", "", "JD1960"])
def test_what_is_no_kernel_is_not(text: str) -> None:
    assert allowed.kernel(text) == []


def test_makers_get_their_usual_name() -> None:
    assert allowed.maker("Siemens Healthineers, Dr. Doe's") == ["SIEMENS"]
    assert allowed.maker("GE MEDICAL SYSTEMS") == ["GE MEDICAL SYSTEMS"]
    assert allowed.maker("Gerda Doe") == allowed.maker(None) == []


def test_a_number_that_is_none_and_a_word_nobody_knows_are_left_out() -> None:
    header = slices(voxels(seed=3))[0]
    header.BodyPartExamined, header.PatientPosition = "DOE", "HFS"
    header.add_new("Exposure", "LO", "Doe")
    (found,) = deidentify([header], pseudonym="P-1", uid_key=b"key")
    assert "BodyPartExamined" not in found and "Exposure" not in found
    assert (found.PatientPosition, found.KVP) == ("HFS", 120)
