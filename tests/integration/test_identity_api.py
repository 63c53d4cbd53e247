"""Whose CT it is: told to those who may know, each time on record, and to nobody else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from segloop.database import open_engine, transaction
from segloop.settings import Settings
from services.api.main import create_app
from tests.dicom_series import voxels
from tests.integration.editing import upload, upload_mask
from tests.integration.test_dicom import send, study

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def client(settings: Settings) -> TestClient:
    return TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"})


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with client(settings) as found:
        yield found


def case(http: TestClient, folder: Path, seed: int, patient: str = "Canary^Carla") -> dict[str, Any]:
    archive = study(folder, f"s{seed}", volume=voxels(seed=seed), seed=f"who-{seed}", patient=patient)
    return dict(send(http, archive).json())


def events(settings: Settings, action: str) -> list[tuple[Any, ...]]:
    engine = open_engine(settings.owner_database_url)
    with transaction(engine) as conn:
        query = "SELECT object_id, actor, detail FROM audit_events WHERE action = :a ORDER BY id"
        found = [tuple(row) for row in conn.execute(text(query), {"a": action})]
    engine.dispose()
    return found


def test_who_may_sees_whose_cts_these_are_and_each_look_is_on_record(
    http: TestClient, tmp_path: Path, settings: Settings
) -> None:
    one, other = case(http, tmp_path, 301), case(http, tmp_path, 302, "Doe^Jane")
    plain = upload(http, voxels(seed=303), AFFINE)
    ids = [other["id"], one["id"], plain["id"], "019ab0c2-7b1e-7c8e-9d9a-3a3f6a0f2c11", one["id"]]
    before = len(events(settings, "identity.viewed"))
    answer = http.post("/v1/identities", json={"volume_ids": ids})
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    items = answer.json()["items"]
    assert [item["volume_id"] for item in items] == [other["id"], one["id"]]
    assert items[1] == {
        "volume_id": one["id"],
        "patient_name": "Canary^Carla",
        "patient_id": "PID-4711-Q",
        "issuer": "Hospital",
        "birth_date": "19600102",
        "sex": "F",
        "study_date": "20261101",
        "accession": "ACC-9",
        "study_description": "",
        "series_description": "",
        "is_unreadable": False,
    }
    assert events(settings, "identity.viewed")[before:] == [
        (other["id"], "local", {}),
        (one["id"], "local", {}),
    ]
    assert http.get("/v1/me").json()["permissions"] == ["export", "identity"]


def test_one_that_cannot_be_read_keeps_nobody_from_seeing_the_others(
    http: TestClient, tmp_path: Path, settings: Settings
) -> None:
    volumes = [case(http, tmp_path / str(seed), seed) for seed in (71, 72)]
    engine = open_engine(settings.owner_database_url)
    of_first = "WHERE source_key = (SELECT source_key FROM volumes WHERE id = :v)"
    with transaction(engine) as conn:
        values: dict[str, Any] = {"v": volumes[0]["id"]}
        values["kept"] = conn.execute(
            text(f"SELECT sealed FROM identity.texts {of_first}"), values
        ).scalar_one()
        conn.execute(text(f"UPDATE identity.texts SET sealed = 'broken' {of_first}"), values)
    before = len(events(settings, "identity.viewed"))
    answer = http.post("/v1/identities", json={"volume_ids": [one["id"] for one in volumes]})
    with transaction(engine) as conn:  # for the tests that come after
        conn.execute(text(f"UPDATE identity.texts SET sealed = :kept {of_first}"), values)
    engine.dispose()
    assert answer.status_code == 200, answer.text
    told = answer.json()["items"]
    assert [(one["is_unreadable"], one["patient_name"]) for one in told] == [
        (True, ""),
        (False, "Canary^Carla"),
    ]
    assert len(events(settings, "identity.viewed")) == before + 1


def test_without_the_permission_nobody_is_named_by_any_route(
    http: TestClient, tmp_path: Path, settings: Settings
) -> None:
    volume = case(http, tmp_path, 311)
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[1, 1, 1] = 3
    mask = upload_mask(http, volume, drawn, np.array(volume["affine"]).reshape(4, 4))
    before = len(events(settings, "identity.viewed"))
    with client(replace(settings, token_permissions="export")) as other:
        assert other.get("/v1/me").json()["permissions"] == ["export"]
        for answer in (
            other.post("/v1/identities", json={"volume_ids": [volume["id"]]}),
            other.post("/v1/identities/search", json={"text": "Canary"}),
            other.get(f"/v1/masks/{mask['id']}/dicom/seg"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_missing")
            assert answer.json()["permission"] == "identity" and "Canary" not in answer.text
        listed = other.get("/v1/projects/default/worklist").text
        assert volume["case_reference"] in listed and "Canary" not in listed and "4711" not in listed
    assert len(events(settings, "identity.viewed")) == before


def test_a_patient_is_found_and_the_record_does_not_say_for_whom_somebody_looked(
    http: TestClient, tmp_path: Path, settings: Settings
) -> None:
    first = case(http, tmp_path, 321, "Sought^Sibyl")
    second = case(http, tmp_path, 322, "Sought^Sibyl")
    case(http, tmp_path, 323, "Other^Otto")
    answer = http.post("/v1/identities/search", json={"text": "sought, s"})
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    assert answer.json() == {"volume_ids": [second["id"], first["id"]], "is_complete": True}
    object_id, actor, detail = events(settings, "identity.searched")[-1]
    assert (actor, detail) == ("local", {"volume_ids": [second["id"], first["id"]]}), object_id
    by_id = http.post("/v1/identities/search", json={"text": "pid-4711-q"}).json()["volume_ids"]
    assert set(by_id) >= {first["id"], second["id"]}
    assert http.post("/v1/identities/search", json={"text": "nobody"}).json()["volume_ids"] == []
    narrowed = http.get(
        "/v1/projects/default/worklist", params={"volume": answer.json()["volume_ids"]}
    ).json()
    assert {item["id"] for item in narrowed["items"]} == {first["id"], second["id"]}
    made = http.post("/v1/projects", json={"slug": "elsewhere", "name": "Elsewhere", "labels": []})
    if made.status_code == 201:
        other = http.post("/v1/identities/search", json={"project": "elsewhere", "text": "sought"})
        assert other.json()["volume_ids"] == []


def test_a_newer_header_of_the_same_series_brings_the_newer_name(http: TestClient, tmp_path: Path) -> None:
    volume = case(http, tmp_path, 331, "Wrong^Name")
    again = study(tmp_path, "again", volume=voxels(seed=331), seed="who-331", patient="Right^Name")
    assert send(http, again).json()["id"] == volume["id"]
    (item,) = http.post("/v1/identities", json={"volume_ids": [volume["id"]]}).json()["items"]
    assert item["patient_name"] == "Right^Name"
    assert http.post("/v1/identities/search", json={"text": "wrong"}).json()["volume_ids"] == []


def test_a_patient_with_the_houses_issuer_is_the_one_without_any(tmp_path: Path, settings: Settings) -> None:
    with client(replace(settings, default_issuer="Hospital")) as http:
        stated = case(http, tmp_path, 341)
        typed = upload(http, voxels(seed=342), AFFINE, patient_reference="PID-4711-Q")
        assert typed["patient_id"] == stated["patient_id"]


def test_too_much_is_refused_and_nothing_is_searched_by_one_letter(http: TestClient) -> None:
    ids = ["019ab0c2-7b1e-7c8e-9d9a-3a3f6a0f2c11"] * 201
    assert http.post("/v1/identities", json={"volume_ids": ids}).status_code == 422
    refused = http.post("/v1/identities/search", json={"text": "Canary" * 30})
    assert refused.status_code == 422 and "Canary" not in refused.text
    assert http.post("/v1/identities/search", json={"text": "c"}).json()["volume_ids"] == []
