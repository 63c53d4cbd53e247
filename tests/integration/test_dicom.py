"""A study as a zip becomes a volume without a name in it, and its masks go back as DICOM of that study."""

import gzip
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from segloop.database import open_engine, transaction
from segloop.imaging.dicom.result import Form
from segloop.imaging.geometry import Geometry
from segloop.settings import Settings
from segloop.storage import open_store
from services.api.main import create_app
from tests.conftest import ROOT
from tests.dicom_results import voxels_of
from tests.dicom_series import BROKEN, DIRECTIONS, slices, voxels, write, zipped
from tests.integration.editing import download, upload_mask
from tests.learning import store_of

SHARED = ROOT.parent / "shared/data/dicom"
LABELS = {3: "parotid_right", 4: "parotid_left"}  # of the default project


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


def send(http: TestClient, archive: Path, **extra: object) -> Any:
    body = archive.read_bytes()
    made = http.post("/v1/projects/default/uploads", json={"size_bytes": len(body), **extra}).json()
    for number in range(1, made["n_parts"] + 1):
        part = body[(number - 1) * made["part_bytes"] : number * made["part_bytes"]]
        assert http.put(f"/v1/uploads/{made['id']}/parts/{number}", content=part).status_code == 200
    return http.post(f"/v1/uploads/{made['id']}/complete")


def study(folder: Path, name: str = "study", **values: Any) -> Path:
    files = write(folder / name, slices(values.pop("volume", voxels()), **values))
    return zipped(folder / f"{name}.zip", files, {"DICOMDIR": b"an index"})


def result_of(http: TestClient, mask: dict[str, Any], form: str = "seg", **query: Any) -> pydicom.Dataset:
    answer = http.get(f"/v1/masks/{mask['id']}/dicom/{form}", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/dicom"
    return pydicom.dcmread(BytesIO(answer.content))


def in_source(seg: pydicom.Dataset, headers: list[pydicom.Dataset]) -> dict[str, np.ndarray[Any, Any]]:
    """Return each segment as (slice, row, column) in the order of the source's slices, by what each frame refers to."""
    place = {header.SOPInstanceUID: index for index, header in enumerate(headers)}
    names = {item.SegmentNumber: item.SegmentLabel for item in seg.SegmentSequence}
    shape = (len(headers), seg.Rows, seg.Columns)
    found = {name: np.zeros(shape, bool) for name in names.values()}
    bits = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
    frames = bits[: seg.NumberOfFrames * seg.Rows * seg.Columns].reshape(-1, seg.Rows, seg.Columns)
    for frame, item in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        source = item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        name = names[item.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        found[name][place[source]] = frame
    return found


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_a_mask_drawn_in_patient_space_comes_back_on_the_slices_it_was_drawn_on(
    http: TestClient, tmp_path: Path, direction: tuple[float, ...]
) -> None:
    headers = slices(voxels(), direction=direction, seed=str(direction))
    volume = send(http, study(tmp_path, direction=direction, seed=str(direction))).json()
    assert volume["is_dicom"] and "source_key" not in volume
    # As NIfTI with an affine made from the headers by DICOM's own formula (PS3.3 C.7.6.2.1.1), x fastest.
    ipp = [np.array(header.ImagePositionPatient, float) for header in (headers[0], headers[-1])]
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1] = np.array(direction[:3]) * 0.7, np.array(direction[3:]) * 0.8
    lps[:3, 2], lps[:3, 3] = (ipp[1] - ipp[0]) / 7, ipp[0]
    affine = np.diag([-1, -1, 1, 1]) @ lps
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[0:5, 2:4, 0:3], drawn[9:14, 7:12, 5:8] = 3, 4
    mask = upload_mask(http, volume, drawn, affine)
    np.testing.assert_array_equal(np.asarray(download(http, mask["id"]).dataobj), drawn)
    found = in_source(result_of(http, mask), headers)
    outlined = voxels_of(result_of(http, mask, "rtstruct"), headers, Geometry((14, 12, 8), affine))
    for index, name in LABELS.items():
        np.testing.assert_array_equal(found[name], (drawn == index).transpose(2, 1, 0))
        np.testing.assert_array_equal(outlined[name], drawn == index)


def test_the_volume_holds_hu_and_nobodys_name_is_outside_the_identity_store(
    http: TestClient, tmp_path: Path, settings: Settings
) -> None:
    volume = send(http, study(tmp_path, patient="Canary^Carla", seed="canary")).json()
    content = http.get(f"/v1/volumes/{volume['id']}/content").content
    image = nib.Nifti1Image.from_bytes(gzip.decompress(content))  # type: ignore[no-untyped-call]
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels())
    words = [b"Canary", b"PID-4711-Q", b"19600102", b"ACC-9"]
    store = open_store(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        bucket=settings.s3_bucket,
    )
    for item in store.list_(""):
        assert not any(word in store.read(item.key) or word.decode() in item.key for word in words), item.key
    engine = open_engine(settings.owner_database_url)
    with transaction(engine) as conn:
        tables = conn.execute(
            text(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('public', 'identity')"
            )
        ).all()
        assert ("identity", "series") in [tuple(row) for row in tables]
        for schema, table in tables:
            rows = conn.execute(text(f'SELECT t::text FROM {schema}."{table}" t')).scalars()
            body = "\n".join(rows)
            assert not any(word.decode() in body or word.hex() in body for word in words), table
    engine.dispose()
    seg = None
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[3, 3, 3] = 1
    seg = result_of(http, upload_mask(http, volume, drawn, np.array(volume["affine"]).reshape(4, 4)))
    assert (seg.PatientName, seg.PatientID, seg.AccessionNumber) == ("Canary^Carla", "PID-4711-Q", "ACC-9")


def test_only_the_identity_role_reaches_the_identity_store(
    http: TestClient, tmp_path: Path, settings: Settings
) -> None:
    send(http, study(tmp_path, seed="roles"))
    app, identity = open_engine(settings.database_url), open_engine(settings.identity_database_url)
    with pytest.raises(Exception, match="permission denied"), app.begin() as conn:
        conn.execute(text("SELECT * FROM identity.series"))
    with pytest.raises(Exception, match="permission denied"), identity.begin() as conn:
        conn.execute(text("SELECT * FROM public.volumes"))
    with pytest.raises(Exception, match="permission denied"), identity.begin() as conn:
        conn.execute(text("UPDATE identity.series SET sealed = ''"))
    with identity.begin() as conn:
        assert conn.execute(text("SELECT count(*) FROM identity.series")).scalar_one() >= 1
    app.dispose()
    identity.dispose()


def test_the_same_series_in_another_zip_is_the_same_volume_and_one_patient_one_pseudonym(
    http: TestClient, tmp_path: Path, settings: Settings
) -> None:
    first = send(http, study(tmp_path, "a", seed="same"))
    again = send(http, study(tmp_path, "b", seed="same"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    copy = send(http, study(tmp_path, "copy", seed="a copy in another series"))
    assert copy.status_code == 201, "its result belongs into the other series"
    other = send(http, study(tmp_path, "c", volume=voxels(seed=9), seed="later")).json()
    assert other["patient_id"] == first.json()["patient_id"] and other["id"] != first.json()["id"]
    engine = open_engine(settings.identity_database_url)
    with transaction(engine) as conn:
        keys = conn.execute(text("SELECT source_key FROM identity.series")).scalars().all()
    engine.dispose()
    assert len(keys) == len(set(keys)) >= 2  # those of the repeat were taken back


@pytest.mark.parametrize("code", ["dicom_missing_slices", "dicom_gantry_tilt", "dicom_no_rescale"])
def test_a_broken_series_is_refused_and_leaves_nothing(
    http: TestClient, tmp_path: Path, settings: Settings, code: str
) -> None:
    files = write(tmp_path / "bad", BROKEN[code](slices(voxels(seed=5), seed=code)))
    answer = send(http, zipped(tmp_path / "bad.zip", files))
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert "Jane" not in answer.text and "4711" not in answer.text


def test_a_zip_of_something_else_is_refused(http: TestClient, tmp_path: Path) -> None:
    answer = send(http, zipped(tmp_path / "x.zip", [], {"notes.txt": b"hello"}))
    assert (answer.status_code, answer.json()["code"]) == (422, "dicom_no_ct")


def test_a_ct_that_came_as_nifti_has_no_study_to_go_back_to(http: TestClient) -> None:
    from tests.integration.editing import upload

    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    volume = upload(http, voxels(seed=77), affine)
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[1, 1, 1] = 1
    answer = http.get(f"/v1/masks/{upload_mask(http, volume, drawn, affine)['id']}/dicom/seg")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_dicom")


def test_a_rejected_mask_is_not_exported(http: TestClient, tmp_path: Path) -> None:
    volume = send(http, study(tmp_path, seed="rejected", volume=voxels(seed=12))).json()
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[1, 1, 1] = 1
    mask = upload_mask(http, volume, drawn, np.array(volume["affine"]).reshape(4, 4))
    seg = result_of(http, mask)
    # Nobody here knows what a person did with it in the program that it came from.
    assert seg.SeriesDescription == "Segmentation, imported (research use only)"
    assert {item.SegmentAlgorithmName for item in seg.SegmentSequence} == {"Unknown (imported)"}
    http.post(f"/v1/masks/{mask['id']}/feedback", json={"verdict": "rejected"})
    answer = http.get(f"/v1/masks/{mask['id']}/dicom/seg")
    assert (answer.status_code, answer.json()["code"]) == (409, "mask_rejected")


def test_a_form_that_is_none_or_cannot_be_deflated_is_refused(http: TestClient, tmp_path: Path) -> None:
    volume = send(http, study(tmp_path, seed="forms", volume=voxels(seed=29))).json()
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[1, 1, 1] = 1
    mask = upload_mask(http, volume, drawn, np.array(volume["affine"]).reshape(4, 4))
    place = f"/v1/masks/{mask['id']}/dicom"
    assert http.get(f"{place}/poster").status_code == 422
    answer = http.get(f"{place}/rtstruct", params={"deflated": True})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_deflatable")
    small = result_of(http, mask, deflated=True)
    assert small.file_meta.TransferSyntaxUID.is_deflated
    assert small.PixelData == result_of(http, mask).PixelData


def test_every_form_is_a_series_of_its_own_in_the_study_and_the_same_each_time(
    http: TestClient, tmp_path: Path
) -> None:
    headers = slices(voxels(seed=31), seed="all forms")
    volume = send(http, study(tmp_path, volume=voxels(seed=31), seed="all forms")).json()
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[2:5, 3:6, 1:4] = 3
    mask = upload_mask(http, volume, drawn, np.array(volume["affine"]).reshape(4, 4))
    series, numbers = set(), set()
    for form in Form:
        first, again = (http.get(f"/v1/masks/{mask['id']}/dicom/{form}") for _ in range(2))
        assert first.status_code == 200, first.text
        assert first.content == again.content
        found = pydicom.dcmread(BytesIO(first.content))
        assert found.StudyInstanceUID == headers[0].StudyInstanceUID
        assert (found.PatientName, found.PatientID) == ("Doe^Jane", "PID-4711-Q")
        series.add(found.SeriesInstanceUID)
        numbers.add(found.SeriesNumber)
    assert len(series) == len(numbers) == len(Form) and min(numbers) >= 1000
    assert headers[0].SeriesInstanceUID not in series


def test_a_ticket_to_a_mask_does_not_open_the_patients_name(http: TestClient, tmp_path: Path) -> None:
    volume = send(http, study(tmp_path, seed="ticket", volume=voxels(seed=21))).json()
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[1, 1, 1] = 3
    mask = upload_mask(http, volume, drawn, np.array(volume["affine"]).reshape(4, 4))
    ticket = http.post(f"/v1/masks/{mask['id']}/ticket").json()["ticket"]
    plain = {"authorization": ""}
    address = f"/v1/masks/{mask['id']}"
    assert http.get(f"{address}/content", params={"ticket": ticket}, headers=plain).status_code == 200
    assert http.get(f"{address}/dicom/seg", params={"ticket": ticket}, headers=plain).status_code == 401


def test_a_series_sent_again_brings_its_headers_back_and_a_name_that_was_put_right(
    http: TestClient, tmp_path: Path, settings: Settings
) -> None:
    values = {"seed": "back", "volume": voxels(seed=22)}
    volume = send(http, study(tmp_path, "a", patient="Wrong^Name", **values)).json()
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[1, 1, 1] = 3
    mask = upload_mask(http, volume, drawn, np.array(volume["affine"]).reshape(4, 4))
    assert result_of(http, mask).PatientName == "Wrong^Name"
    again = send(http, study(tmp_path, "b", patient="Right^Name", **values))
    assert (again.status_code, again.json()["id"]) == (200, volume["id"])
    assert result_of(http, mask).PatientName == "Right^Name"
    engine = open_engine(settings.identity_database_url)
    with transaction(engine) as conn:
        conn.execute(text("DELETE FROM identity.series"))
    answer = http.get(f"/v1/masks/{mask['id']}/dicom/seg")
    assert (answer.status_code, answer.json()["code"]) == (404, "identity_gone")
    send(http, study(tmp_path, "c", patient="Right^Name", **values))
    assert result_of(http, mask).PatientName == "Right^Name"
    engine.dispose()


def test_headers_that_no_volume_names_are_erased_when_the_api_starts(
    http: TestClient, tmp_path: Path, settings: Settings
) -> None:
    volume = send(http, study(tmp_path, seed="sweep", volume=voxels(seed=23))).json()
    owner = open_engine(settings.owner_database_url)
    with transaction(owner) as conn:
        (project,) = conn.execute(text("SELECT id FROM projects LIMIT 1")).one()
        conn.execute(
            text(
                "INSERT INTO identity.series (project_id, created_by, source_key, sealed) VALUES (:p, 't', :k, '')"
            ),
            [{"p": project, "k": key} for key in ("lost-old", "lost-new")],
        )
        conn.execute(
            text(
                "UPDATE identity.series SET created_at = now() - interval '3 days' WHERE source_key <> 'lost-new'"
            )
        )
    with TestClient(create_app(settings)):
        pass
    with transaction(owner) as conn:
        keys = set(conn.execute(text("SELECT source_key FROM identity.series")).scalars())
        named = conn.execute(
            text("SELECT source_key FROM volumes WHERE id = :v"), {"v": volume["id"]}
        ).scalar_one()
    owner.dispose()
    assert named in keys and "lost-new" in keys and "lost-old" not in keys


def test_an_upload_that_nobody_finished_loses_its_parts_when_the_api_starts(
    http: TestClient, settings: Settings
) -> None:
    def begun() -> str:
        made = http.post("/v1/projects/default/uploads", json={"size_bytes": 5}).json()
        assert http.put(f"/v1/uploads/{made['id']}/parts/1", content=b"12345").status_code == 200
        return str(made["id"])

    old, new = begun(), begun()
    owner = open_engine(settings.owner_database_url)
    with transaction(owner) as conn:
        conn.execute(
            text("UPDATE uploads SET created_at = now() - interval '3 days' WHERE id = :u"), {"u": old}
        )
    owner.dispose()
    with TestClient(create_app(settings)):
        pass
    assert http.get(f"/v1/uploads/{old}").json()["state"] == "aborted"
    assert http.get(f"/v1/uploads/{new}").json()["state"] == "open"
    store = store_of(settings)
    assert not list(store.list_(f"uploads/{old}/")) and list(store.list_(f"uploads/{new}/"))


def test_a_typed_patient_reference_does_not_overrule_the_dicom(http: TestClient, tmp_path: Path) -> None:
    values = {"volume": voxels(seed=24), "seed": "typed"}
    one = send(http, study(tmp_path, "a", **values), patient_reference="somebody else").json()
    other = send(http, study(tmp_path, "b", volume=voxels(seed=25), seed="typed too")).json()
    assert one["patient_id"] == other["patient_id"]
    assert one["notes"] == ["patient_reference_ignored"] and other["notes"] == []


@pytest.mark.parametrize("name", ["chaos_set3", "sts_012_rtstruct", "sts_029_rtstruct"])
def test_real_series_come_back_as_segmentations_of_their_own_slices(
    http: TestClient, tmp_path: Path, name: str
) -> None:
    archive = SHARED / f"{name}.zip"
    if not archive.exists():
        pytest.skip(f"NOT RUN: {name}.zip is not beside this checkout")
    answer = send(http, archive)
    assert answer.status_code in (200, 201), answer.text
    volume = answer.json()
    rng = np.random.default_rng(3)
    drawn = np.zeros(volume["shape"], np.uint8)
    drawn[: volume["shape"][0] // 3, : volume["shape"][1] // 4, : volume["shape"][2] // 2] = 3
    drawn[rng.random(drawn.shape) < 0.001] = 4
    mask = upload_mask(http, volume, drawn, np.array(volume["affine"]).reshape(4, 4))
    seg = result_of(http, mask, deflated=True)
    assert seg.NumberOfFrames >= volume["shape"][2] // 2
    first = {item.SegmentLabel for item in seg.SegmentSequence}
    assert first == set(LABELS.values())
