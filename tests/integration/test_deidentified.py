"""A CT for research: nothing of whose it is in any byte of it, and nothing of the CT lost."""

import gzip
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from fastapi.testclient import TestClient
from pydicom.datadict import DicomDictionary, keyword_dict
from pydicom.dataelem import DataElement
from sqlalchemy import text

from segloop.database import open_engine, transaction
from segloop.settings import Settings
from services.api.main import create_app
from tests.conftest import ROOT
from tests.dicom_series import DIRECTIONS, slices, voxels, write, zipped
from tests.integration.editing import upload, upload_mask
from tests.integration.test_dicom import in_source, send, study
from tests.orthanc import missing

SHARED = ROOT.parent / "shared/data/dicom"
CANARY = "CANARY"
PLANTED = {
    **dict.fromkeys(["PN", "LO", "SH", "ST", "LT", "UT", "UC"], "Canary Carla"),
    "UR": "http://canary/4711",
    "CS": CANARY,
    "AE": CANARY,
    "DA": "19470811",
    "DT": "19470811101112",
    "TM": "101347.1947",
    "AS": "079Y",
}
TRACES = (b"CANARY", b"CARLA", b"4711", b"19470811", b"101347", b"079Y", b"SECRET", b"ACC-9")


def client(settings: Settings) -> TestClient:
    return TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"})


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with client(settings) as found:
        yield found


def export(http: TestClient, volume: dict[str, Any], **query: Any) -> dict[str, bytes]:
    answer = http.get(f"/v1/volumes/{volume['id']}/deidentified", params=query)
    assert answer.status_code == 200, answer.text
    assert (
        answer.headers["content-type"] == "application/zip" and "no-store" in answer.headers["cache-control"]
    )
    assert "Faces" in answer.headers["x-notice"]
    with zipfile.ZipFile(BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name) for name in packed.namelist()}


def images(found: dict[str, bytes]) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(BytesIO(body)) for name, body in sorted(found.items()) if name.startswith("ct/")]


def planted(header: pydicom.Dataset) -> None:
    """Write the name, an ID or a birth date into whatever a CT may say in words, and into what nobody reads."""
    needed = set(header.dir()) - {"PatientName", "PatientID", "PatientBirthDate", "StudyDate", "StudyTime"}
    for tag, (vr, multiplicity, _, _, keyword) in DicomDictionary.items():
        group = tag >> 16
        if not keyword or group <= 2 or group >= 0x6000 or group in (0x0028, 0x5400) or vr not in PLANTED:
            continue
        if keyword in needed - {"Manufacturer", "ReferringPhysicianName"} or not multiplicity.startswith("1"):
            continue
        header.add(DataElement(tag, vr, PLANTED[vr]))
    for keyword in (
        "ConvolutionKernel",
        "ScanOptions",
        "BodyPartExamined",
        "ImageComments",
        "ContrastBolusAgent",
    ):
        setattr(header, keyword, CANARY)
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", CANARY]
    nested = pydicom.Dataset()
    nested.PatientID, nested.IssuerOfPatientID = "SECRET-1", "SECRET-2"
    header.OtherPatientIDsSequence = [nested]
    header.SpecificCharacterSet = "ISO_IR 192"
    block = header.private_block(0x0029, "CANARY HEADER", create=True)
    block.add_new(1, "LO", "Canary^Carla")
    block.add_new(2, "OB", b"Canary^Carla")
    header.add_new(0x60000022, "LO", "Canary overlay")


def test_what_was_planted_anywhere_is_nowhere_in_the_export(
    http: TestClient, tmp_path: Path, settings: Settings
) -> None:
    ct = voxels(seed=501)
    source = slices(ct, seed="planted", patient="Canary^Carla")
    for header in source:
        planted(header)
    assert len(source[0]) > 1000
    answer = send(http, zipped(tmp_path / "p.zip", write(tmp_path / "p", source)))
    assert answer.status_code == 201, answer.text
    volume = answer.json()
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[2:5, 3:6, 1:4] = 3
    mask = upload_mask(http, volume, drawn, np.array(volume["affine"]).reshape(4, 4))
    found = export(http, volume, mask_id=mask["id"])
    assert {name.partition("/")[0] for name in found} == {"README.txt", "ct", "mask"} and len(found) == 10
    uids = {
        str(header.get(keyword)).encode()
        for header in source
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
    }
    for name, body in found.items():
        for trace in (*TRACES, *uids):
            assert trace not in body.upper(), (name, trace)
    for one in images(found):
        assert not any(element.tag.is_private for element in one.iterall())
        assert one.PatientName == f"{one.PatientID}^" and one.PatientID.startswith("P-")
        assert one.PatientIdentityRemoved == "YES" and one.DeidentificationMethod
        (code,) = one.DeidentificationMethodCodeSequence
        assert (code.CodeValue, code.CodingSchemeDesignator) == ("113100", "DCM")
        dates = [element.value for element in one.iterall() if element.VR in ("DA", "TM", "DT")]
        assert not any(dates)
        assert one.ImageType == ["ORIGINAL", "PRIMARY", "AXIAL"] and one.ContrastBolusAgent == "CONTRAST"
        assert all(len(str(uid)) <= 64 and str(uid).startswith("2.25.") for uid in (one.SOPInstanceUID,))
    engine = open_engine(settings.owner_database_url)
    with transaction(engine) as conn:
        query = "SELECT object_id, detail FROM audit_events WHERE action = 'volume.deidentified' ORDER BY id DESC LIMIT 1"
        assert tuple(conn.execute(text(query)).one()) == (volume["id"], {"mask_id": mask["id"]})
    engine.dispose()


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_grid_voxels_and_mask_are_those_of_the_source(
    http: TestClient, tmp_path: Path, direction: tuple[float, ...]
) -> None:
    values = {"direction": direction, "seed": f"grid {direction}", "volume": voxels(seed=511)}
    source = slices(values["volume"], direction=direction, seed=values["seed"])
    volume = send(http, study(tmp_path, **values)).json()
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[0:5, 2:4, 0:3], drawn[9:14, 7:12, 5:8] = 3, 4
    mask = upload_mask(http, volume, drawn, np.array(volume["affine"]).reshape(4, 4))
    found = export(http, volume, mask_id=mask["id"])
    copies = images(found)
    by_place = {tuple(map(float, one.ImagePositionPatient)): one for one in copies}
    assert len(by_place) == len(source) == 8
    for header in source:
        copy = by_place[tuple(map(float, header.ImagePositionPatient))]
        assert copy.PixelData == header.PixelData
        for keyword in (
            *(
                "ImageOrientationPatient",
                "PixelSpacing",
                "SliceThickness",
                "Rows",
                "Columns",
                "InstanceNumber",
            ),
            *("RescaleSlope", "RescaleIntercept", "RescaleType", "BitsStored", "PixelRepresentation", "KVP"),
        ):
            assert copy[keyword].value == header[keyword].value, keyword
    assert len({one.SOPInstanceUID for one in copies}) == 8
    assert (
        len({(one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID) for one in copies}) == 1
    )
    seg = pydicom.dcmread(BytesIO(found["mask/seg.dcm"]))
    assert (seg.StudyInstanceUID, seg.FrameOfReferenceUID, seg.PatientID) == (
        copies[0].StudyInstanceUID,
        copies[0].FrameOfReferenceUID,
        copies[0].PatientID,
    )
    assert seg.PatientIdentityRemoved == "YES" and seg.ContentDate == "19000101"
    segments = in_source(seg, sorted(copies, key=lambda one: found_order(one, found)))
    np.testing.assert_array_equal(segments["parotid_right"], (drawn == 3).transpose(2, 1, 0))
    np.testing.assert_array_equal(segments["parotid_left"], (drawn == 4).transpose(2, 1, 0))


def found_order(one: pydicom.Dataset, found: dict[str, bytes]) -> int:
    """Return a slice's place in the export."""
    names = sorted(name for name in found if name.startswith("ct/"))
    uid = one.SOPInstanceUID.encode()
    return next(index for index, name in enumerate(names) if uid in found[name])


def test_the_same_ct_is_the_same_export_and_one_study_stays_one(http: TestClient, tmp_path: Path) -> None:
    volume = send(http, study(tmp_path, "a", seed="twice", volume=voxels(seed=521))).json()
    assert export(http, volume) == export(http, volume)
    again = slices(voxels(seed=522), seed="twice")
    for number, header in enumerate(again):
        header.SeriesInstanceUID = "1.2.3.4"
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{number}"
    other = send(http, zipped(tmp_path / "b.zip", write(tmp_path / "b", again))).json()
    one, two = images(export(http, volume))[0], images(export(http, other))[0]
    assert one.StudyInstanceUID == two.StudyInstanceUID and one.PatientID == two.PatientID
    assert one.SeriesInstanceUID != two.SeriesInstanceUID


@pytest.mark.parametrize(
    ("slope", "intercept", "signed"), [("0.5", "-100.25", False), ("1", "-1024", True), ("2", "-4096", False)]
)
def test_stored_values_come_back_exactly_whatever_the_rescale(
    http: TestClient, tmp_path: Path, slope: str, intercept: str, signed: bool
) -> None:
    source = slices(voxels(seed=531), seed=f"rescale {slope} {signed}")
    for number, header in enumerate(source):
        header.RescaleSlope, header.RescaleIntercept = slope, str(float(intercept) + number)
        if signed:
            header.PixelRepresentation = 1
            stored = np.frombuffer(header.PixelData, "<u2").astype(np.int16) - 900
            header.PixelData = stored.astype("<i2").tobytes()
    answer = send(http, zipped(tmp_path / "r.zip", write(tmp_path / "r", source)))
    assert answer.status_code == 201, answer.text
    copies = {tuple(map(float, one.ImagePositionPatient)): one for one in images(export(http, answer.json()))}
    for header in source:
        assert copies[tuple(map(float, header.ImagePositionPatient))].PixelData == header.PixelData


def test_texts_in_the_pixels_are_refused(http: TestClient, tmp_path: Path) -> None:
    source = slices(voxels(seed=541), seed="burned")
    source[5].BurnedInAnnotation = "YES"
    volume = send(http, zipped(tmp_path / "x.zip", write(tmp_path / "x", source))).json()
    answer = http.get(f"/v1/volumes/{volume['id']}/deidentified")
    assert (answer.status_code, answer.json()["code"]) == (422, "burned_in_annotation")


def test_a_nifti_loses_every_text_and_no_bit_of_its_voxels(http: TestClient) -> None:
    array, affine = voxels(seed=551), np.diag([-0.7, 0.8, 2.5, 1.0])
    image = nib.Nifti1Image(array, affine)
    image.header["descrip"], image.header["aux_file"] = b"Canary^Carla", b"CANARY"
    image.header["db_name"], image.header["intent_name"] = b"CANARY", b"CANARY"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Canary^Carla 4711"))
    body = image.to_bytes()
    made = http.post("/v1/projects/default/uploads", json={"size_bytes": len(body)}).json()
    assert http.put(f"/v1/uploads/{made['id']}/parts/1", content=body).status_code == 200
    volume = http.post(f"/v1/uploads/{made['id']}/complete").json()
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[1, 2, 3] = 3
    mask = upload_mask(http, volume, drawn, affine)
    found = export(http, volume, mask_id=mask["id"])
    assert set(found) == {"README.txt", "ct.nii.gz", "mask.nii.gz", "labels.json"}
    copy = nib.Nifti1Image.from_bytes(gzip.decompress(found["ct.nii.gz"]))
    np.testing.assert_array_equal(np.asarray(copy.dataobj), array)
    np.testing.assert_array_equal(copy.affine, nib.Nifti1Image.from_bytes(body).affine)
    assert copy.get_data_dtype() == array.dtype and not copy.header.extensions
    assert b"anary" not in gzip.decompress(found["ct.nii.gz"])
    theirs = nib.Nifti1Image.from_bytes(gzip.decompress(found["mask.nii.gz"]))
    np.testing.assert_array_equal(np.asarray(theirs.dataobj), drawn)


def test_it_needs_the_permission_and_a_mask_of_the_ct(
    http: TestClient, tmp_path: Path, settings: Settings
) -> None:
    volume = send(http, study(tmp_path, seed="perm", volume=voxels(seed=561))).json()
    other = upload(http, voxels(seed=562), np.eye(4))
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[1, 1, 1] = 3
    mask = upload_mask(http, other, drawn, np.eye(4))
    address = f"/v1/volumes/{volume['id']}/deidentified"
    answer = http.get(address, params={"mask_id": mask["id"]})
    assert (answer.status_code, answer.json()["code"]) == (404, "mask_unknown")
    with client(replace(settings, token_permissions="identity")) as without:
        answer = without.get(address)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_missing")
        assert without.get(address, headers={"authorization": ""}).status_code == 401
    assert not list(settings.scratch.glob("segloop-export-*"))


def errors(file: Path) -> set[str]:
    done = subprocess.run(["dciodvfy", str(file)], check=False, capture_output=True, text=True)
    return {line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")}


@pytest.mark.parametrize("name", ["synthetic", "chaos_set3", "sts_012_rtstruct", "sts_029_rtstruct"])
def test_dciodvfy_finds_no_error_beyond_the_sources_own(http: TestClient, tmp_path: Path, name: str) -> None:
    if "dciodvfy" in missing():
        pytest.skip("NOT RUN: dciodvfy is not installed (apt-get install dicom3tools)")
    archive = SHARED / f"{name}.zip"
    if name == "synthetic":
        archive = study(tmp_path, "synthetic", seed="verify", volume=voxels(seed=571))
    elif not archive.exists():
        pytest.skip(f"NOT RUN: {name}.zip is not beside this checkout")
    answer = send(http, archive)
    assert answer.status_code in (200, 201), answer.text
    volume = answer.json()
    drawn = np.zeros(volume["shape"], np.uint8)
    drawn[2:6, 2:6, 1:3] = 3
    mask = upload_mask(http, volume, drawn, np.array(volume["affine"]).reshape(4, 4))
    found = export(http, volume, mask_id=mask["id"])
    source, copies = tmp_path / "source.dcm", images(found)
    with zipfile.ZipFile(archive) as packed:
        headers: dict[Any, pydicom.Dataset] = {}
        for entry in packed.namelist():
            body = packed.read(entry)
            if body[128:132] == b"DICM" and (one := pydicom.dcmread(BytesIO(body))).get("Modality") == "CT":
                headers[tuple(map(float, one.ImagePositionPatient))] = one
                source.write_bytes(body)
    for file in ("ct/00001.dcm", "mask/seg.dcm"):
        (tmp_path / "copy.dcm").write_bytes(found[file])
        assert errors(tmp_path / "copy.dcm") - errors(source) == set(), file
    assert {tuple(map(float, one.ImagePositionPatient)) for one in copies} <= set(headers)
    for one in copies[:: max(1, len(copies) // 5)]:
        theirs = headers[tuple(map(float, one.ImagePositionPatient))]
        np.testing.assert_array_equal(one.pixel_array, theirs.pixel_array)
        words = {
            str(theirs.get(keyword) or "")
            for keyword in ("PatientName", "PatientID", "StudyDate", "StudyInstanceUID", "SeriesDescription")
        }
        body = found["ct/00001.dcm"]
        assert not any(word.encode() in body for word in words if len(word) > 3)


def test_the_list_names_attributes_that_there_are() -> None:
    from segloop.imaging.dicom.allowed import NUMBERS, TEXTS, WORDS

    assert all(keyword in keyword_dict for keyword in (*NUMBERS, *WORDS, *TEXTS))
