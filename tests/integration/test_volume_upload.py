"""A volume in one request: kept whole or not at all, and the same as by an upload in parts."""

import gzip
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from segloop.errors import InvalidInput, Unavailable
from segloop.imaging.sandbox import Reading
from segloop.settings import Settings
from segloop.storage import ObjectStore
from services.api.main import create_app
from services.api.routes import volume_upload
from services.dicom_gateway.tarred import tar_stream
from tests.dicom_series import BROKEN, slices, voxels, write
from tests.integration.test_uploads import announce, ct_bytes, send

PATH = "/v1/projects/default/volumes"
TAR = {"Content-Type": "application/x-tar"}


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


@pytest.fixture
def scratch_is_empty(settings: Settings) -> Iterator[None]:
    yield
    assert not list(settings.scratch.glob("segloop-upload-*"))


def series(folder: Path, found: Any) -> Iterator[bytes]:
    return tar_stream(write(folder, found))


@pytest.mark.usefixtures("scratch_is_empty")
def test_a_series_sent_as_a_stream_becomes_a_volume_of_its_voxels(client: TestClient, tmp_path: Path) -> None:
    array = voxels(seed=5)
    made = client.post(PATH, headers=TAR, content=series(tmp_path / "a", slices(array, seed="stream")))
    assert made.status_code == 201, made.text
    assert made.json()["shape"] == list(array.shape)
    content = gzip.decompress(client.get(f"/v1/volumes/{made.json()['id']}/content").content)
    assert np.array_equal(np.frombuffer(content[352:], "<i2").reshape(array.shape, order="F"), array)
    again = client.post(PATH, headers=TAR, content=series(tmp_path / "b", slices(array, seed="stream")))
    assert again.status_code == 200 and again.json()["id"] == made.json()["id"]


@pytest.mark.usefixtures("scratch_is_empty")
@pytest.mark.parametrize("is_refused", [True, False])
def test_where_its_reader_fails_after_its_voxels_were_stored_nothing_is_left(
    client: TestClient, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_refused: bool
) -> None:
    stored: list[str] = []

    def fail(reading: Reading) -> dict[str, Any]:
        stored.extend(item.key for item in store.list_(""))
        raise InvalidInput("parse_failed", "no") if is_refused else Unavailable("parser_unavailable", "no")

    monkeypatch.setattr(Reading, "finish", fail)
    failed = client.post(PATH, headers=TAR, content=series(tmp_path / "a", slices(voxels(), seed="late")))
    assert failed.status_code == (422 if is_refused else 503)
    assert any(key.endswith("/original") for key in stored), "it was not stored meanwhile"
    assert list(store.list_("")) == []


def test_in_one_piece_or_in_parts_it_is_one_volume(client: TestClient) -> None:
    body = ct_bytes(77)
    made = client.post(PATH, content=body, params={"case_reference": "case 77"})
    assert made.status_code == 201 and made.json()["case_reference"] == "case 77"
    upload = announce(client, body)
    for number in range(1, upload["n_parts"] + 1):
        send(client, upload, body, number)
    completed = client.post(f"/v1/uploads/{upload['id']}/complete")
    assert completed.status_code == 200 and completed.json()["id"] == made.json()["id"]


@pytest.mark.usefixtures("scratch_is_empty")
def test_what_can_not_become_a_volume_is_refused_and_leaves_nothing(
    client: TestClient, tmp_path: Path
) -> None:
    before = len(client.get(PATH).json()["items"])
    holed = BROKEN["dicom_missing_slices"](slices(voxels(), seed="holed"))
    refused = client.post(PATH, headers=TAR, content=series(tmp_path / "a", holed))
    assert (refused.status_code, refused.json()["code"]) == (422, "dicom_missing_slices")
    assert client.post(PATH, content=b"").json()["code"] == "empty_file"
    assert client.post(PATH, content=b"no CT").status_code == 422
    assert client.post("/v1/projects/nowhere/volumes", content=b"x").status_code == 404
    assert client.post(PATH, content=b"x", headers={"Authorization": "Bearer x"}).status_code == 401
    assert len(client.get(PATH).json()["items"]) == before


@pytest.mark.usefixtures("scratch_is_empty")
def test_a_stream_that_is_no_tar_or_breaks_off_is_refused_and_leaves_nothing(
    client: TestClient, tmp_path: Path
) -> None:
    whole = b"".join(series(tmp_path / "a", slices(voxels((64, 64, 8)), seed="broken off")))
    for body in (b"", b"no tar " * 1000, whole[: len(whole) // 2]):
        refused = client.post(PATH, headers=TAR, content=body)
        assert (refused.status_code, refused.json()["code"]) in ((422, "tar_broken"), (422, "empty_file"))


def test_a_volume_is_taken_back_where_nothing_was_made_of_it(
    client: TestClient, store: ObjectStore, tmp_path: Path
) -> None:
    made = client.post(
        PATH, headers=TAR, content=series(tmp_path / "a", slices(voxels(), seed="part"))
    ).json()
    where = f"/v1/volumes/{made['id']}"
    assert client.get(f"{where}/levels/0").status_code == 200
    assert client.delete(where).status_code == 204
    assert client.get(where).status_code == client.delete(where).status_code == 404
    assert list(store.list_("volumes/")) == []
    kept = client.post(
        PATH, headers=TAR, content=series(tmp_path / "b", slices(voxels(), seed="part"))
    ).json()
    assert client.post(f"/v1/volumes/{kept['id']}/drafts", json={}).status_code == 201
    refused = client.delete(f"/v1/volumes/{kept['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "volume_in_use")
    assert client.get(f"/v1/volumes/{kept['id']}").status_code == 200


@pytest.mark.usefixtures("scratch_is_empty")
def test_a_body_beyond_the_limit_is_refused_before_it_is_all_there(settings: Settings) -> None:
    from dataclasses import replace

    small = replace(settings, max_upload_bytes=10_000)
    sent = []

    def body() -> Iterator[bytes]:
        for _ in range(100):
            sent.append(1)
            yield bytes(1000)

    with TestClient(create_app(small), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        assert client.post(PATH, content=body()).json()["code"] == "file_too_large"
        # The place is free again, more often than there are places.
        for _ in range(3):
            began = time.monotonic()
            assert client.post(PATH, content=b"no CT").status_code == 422
            assert time.monotonic() - began < 50


@pytest.mark.usefixtures("scratch_is_empty")
def test_a_body_that_comes_drop_by_drop_gives_its_place_to_others(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volume_upload, "SILENCE_S", 0.5)
    monkeypatch.setattr(volume_upload, "LEAST_BYTES_PER_S", 2**30)

    def drops() -> Iterator[bytes]:
        for _ in range(200):
            yield b"x"
            time.sleep(0.01)

    refused = client.post(PATH, content=drops())
    assert (refused.status_code, refused.json()["code"]) == (422, "upload_stalled")
    monkeypatch.undo()
    assert client.post(PATH, content=ct_bytes(78)).status_code == 201
