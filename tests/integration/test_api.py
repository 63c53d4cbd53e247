"""The HTTP API on real servers, through its own ASGI app."""

import base64
import gzip
import hashlib
import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from fastapi.testclient import TestClient

from segloop.database import open_engine, transaction
from segloop.model_versions import table as model_versions_table
from segloop.projects import table as projects_table
from segloop.settings import Settings
from services.api.main import create_app

AFFINE = np.array([[-2.0, 0, 0, 30], [0, -2.0, 0, 40], [0, 0, 3.0, -50], [0, 0, 0, 1]])


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    app = create_app(settings)
    with TestClient(app, headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


def nifti_bytes(array: np.ndarray[Any, Any], affine: np.ndarray[Any, Any] = AFFINE) -> bytes:
    return gzip.compress(nib.Nifti1Image(array, affine).to_bytes(), compresslevel=1, mtime=0)


FRESH = (
    itertools.count()
)  # the database outlives a test and its bucket does not: no test reuses another's bytes


def ct(shape: tuple[int, int, int] = (20, 18, 12)) -> np.ndarray[Any, Any]:
    array = np.full(shape, -1000, np.int16)
    array[4:-4, 4:-4, 2:-2] = np.random.default_rng(next(FRESH)).integers(
        -100, 300, array[4:-4, 4:-4, 2:-2].shape
    )
    return array


def announce(client: TestClient, body: bytes, **extra: object) -> dict[str, Any]:
    answer = client.post("/v1/projects/default/uploads", json={"size_bytes": len(body), **extra})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def upload(client: TestClient, body: bytes, **extra: object) -> Any:
    made = announce(client, body, **extra)
    for number in range(1, made["n_parts"] + 1):
        part = body[(number - 1) * made["part_bytes"] : number * made["part_bytes"]]
        digest = hashlib.sha256(part).hexdigest()
        sent = client.put(
            f"/v1/uploads/{made['id']}/parts/{number}",
            content=part,
            headers={"X-Content-Sha256": digest},
        )
        assert sent.status_code == 200, sent.text
    return client.post(f"/v1/uploads/{made['id']}/complete")


def test_the_uploaded_bytes_come_back_and_the_same_file_is_one_volume(
    client: TestClient,
) -> None:
    body = nifti_bytes(ct())
    first = upload(client, body, patient_reference="Doe^Jane", case_reference="Case 1")
    assert first.status_code == 201, first.text
    volume = first.json()
    assert (volume["orientation"], volume["shape"], volume["is_hu_like"]) == (
        "LPS",
        [20, 18, 12],
        True,
    )
    assert "Doe" not in first.text
    second = upload(client, body)
    assert (second.status_code, second.json()["id"]) == (200, volume["id"])
    content = client.get(f"/v1/volumes/{volume['id']}/content")
    assert content.content == body
    part = client.get(f"/v1/volumes/{volume['id']}/content", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, body[10:20])
    unchanged = client.get(
        f"/v1/volumes/{volume['id']}/content",
        headers={"If-None-Match": content.headers["etag"]},
    )
    assert unchanged.status_code == 304


def test_viewer_levels_are_ras_and_cover_the_same_field_of_view(
    client: TestClient,
) -> None:
    array = ct()
    volume = upload(client, nifti_bytes(array)).json()
    level = client.get(f"/v1/volumes/{volume['id']}/levels/0")
    voxels = np.frombuffer(level.content, "<i2").reshape((20, 18, 12), order="F")
    assert np.array_equal(voxels, array[::-1, ::-1])
    assert level.headers["x-shape"] == "[20, 18, 12]"
    assert not any(name.startswith("access-control") for name in level.headers)
    small = client.get(f"/v1/volumes/{volume['id']}/levels/2")
    assert len(small.content) == 2 * 5 * 5 * 3


def test_an_upload_goes_on_after_a_break(client: TestClient, settings: Settings) -> None:
    body = nifti_bytes(ct())
    made = announce(client, body)
    early = client.post(f"/v1/uploads/{made['id']}/complete")
    assert (early.status_code, early.json()["code"]) == (409, "upload_incomplete")
    wrong = client.put(
        f"/v1/uploads/{made['id']}/parts/1",
        content=body,
        headers={"X-Content-Sha256": "0" * 64},
    )
    assert wrong.json()["code"] == "part_damaged"
    assert client.put(f"/v1/uploads/{made['id']}/parts/1", content=body[:-1]).json()["code"] == "part_size"
    assert client.get(f"/v1/uploads/{made['id']}").json()["received"] == []
    client.put(f"/v1/uploads/{made['id']}/parts/1", content=body)
    assert client.get(f"/v1/uploads/{made['id']}").json()["received"] == [1]
    assert client.post(f"/v1/uploads/{made['id']}/complete").status_code == 201
    assert client.post(f"/v1/uploads/{made['id']}/complete").status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"this is no image" * 40, "not_nifti"),
        (nifti_bytes(ct())[:-200], "truncated"),
        (nifti_bytes(np.zeros((4, 4, 4, 3), np.int16)), "not_three_dimensional"),
        (nifti_bytes(np.full((9, 9, 9), np.nan, np.float32)), "not_finite"),
    ],
)
def test_a_bad_file_is_refused_by_name_and_leaves_nothing(client: TestClient, body: bytes, code: str) -> None:
    answer = upload(client, body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/v1/projects/default/volumes").json()["items"] == [] or all(
        item["sha256"] != hashlib.sha256(body).hexdigest()
        for item in client.get("/v1/projects/default/volumes").json()["items"]
    )
    store = client.app.state.parts.store  # type: ignore[attr-defined]
    assert list(store.list_("")) == []


def test_an_empty_file_is_refused_before_it_is_sent(client: TestClient) -> None:
    answer = client.post("/v1/projects/default/uploads", json={"size_bytes": 0})
    assert (answer.status_code, answer.json()["code"]) == (422, "empty_file")


def test_a_mask_is_imported_only_on_its_volumes_grid_and_labels(
    client: TestClient,
) -> None:
    volume = upload(client, nifti_bytes(ct())).json()
    labels = np.zeros((20, 18, 12), np.uint8)
    labels[5:9, 5:8, 3:5] = 4
    extra = {"purpose": "mask", "volume_id": volume["id"]}
    saved = upload(client, nifti_bytes(labels), **extra)
    assert saved.status_code == 201, saved.text
    statistics = client.get(f"/v1/masks/{saved.json()['id']}/statistics").json()["labels"]
    assert next(item for item in statistics if item["index"] == 4)["voxels"] == 24
    assert next(item for item in statistics if item["index"] == 4)["volume_ml"] == pytest.approx(
        24 * 12 / 1000
    )
    image = nib.Nifti1Image.from_bytes(
        gzip.decompress(client.get(f"/v1/masks/{saved.json()['id']}/content").content)
    )
    assert np.array_equal(np.asarray(image.dataobj), labels)
    assert np.allclose(image.affine, AFFINE)
    shifted = AFFINE.copy()
    shifted[0, 3] += 1
    assert upload(client, nifti_bytes(labels, shifted), **extra).json()["code"] == "mask_grid"
    assert upload(client, nifti_bytes(labels * 9), **extra).json()["code"] == "mask_labels"


def test_a_ticket_reads_one_object_and_nothing_else(client: TestClient) -> None:
    volumes = [upload(client, nifti_bytes(ct())).json()["id"] for _ in range(2)]
    ticket = client.post(f"/v1/volumes/{volumes[0]}/ticket").json()["ticket"]
    anonymous = TestClient(client.app)
    assert anonymous.get(f"/v1/volumes/{volumes[0]}/content", params={"ticket": ticket}).status_code == 200
    assert anonymous.get(f"/v1/volumes/{volumes[1]}/content", params={"ticket": ticket}).status_code == 401
    assert anonymous.get(f"/v1/volumes/{volumes[0]}/content").json()["code"] == "unauthorized"
    assert anonymous.get("/v1/jobs", params={"ticket": ticket}).status_code == 401


def test_work_that_cannot_be_done_is_refused_with_its_reason(
    client: TestClient,
) -> None:
    def post(volume_id: str, **parameters: object) -> tuple[int, str]:
        body = {
            "kind": "segment",
            "input": {"volume_id": volume_id},
            "parameters": parameters,
        }
        answer = client.post("/v1/jobs", json=body)
        return answer.status_code, answer.json()["code"]

    assert post("019ab0c2-7b1e-7c8e-9d9a-3a3f6a0f2c11") == (404, "volume_unknown")
    good = upload(client, nifti_bytes(ct())).json()
    assert post(good["id"]) == (409, "no_model")
    unsigned = upload(client, nifti_bytes((ct() + 1024).clip(0).astype(np.int16))).json()
    assert not unsigned["is_hu_like"]
    assert post(unsigned["id"]) == (422, "not_hu_like")
    assert post(unsigned["id"], hu_offset=-1024) == (409, "no_model")


def test_a_job_is_committed_before_the_client_hears_of_it(client: TestClient) -> None:
    body = {"kind": "selftest", "parameters": {"queue": "training"}}
    answer = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k1"})
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "1")
    assert client.get(answer.headers["location"]).json()["state"] == "queued"
    again = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()["id"]) == (200, answer.json()["id"])
    other = client.post("/v1/jobs", json={"kind": "selftest"}, headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def model_version(settings: Settings, name: str) -> str:
    """A version that jobs can be pinned to; its bundle isn't there."""
    engine = open_engine(settings.database_url)
    with transaction(engine) as conn:
        project = projects_table.get(conn, "default")
        labels = projects_table.insert_label_set(
            conn, project_id=project.id, labels=[{"index": 1, "name": "a"}], actor="t"
        )
        version = model_versions_table.insert_version(
            conn,
            project_id=project.id,
            created_by="t",
            name=name,
            label_set_id=labels.id,
            object_key=name,
            sha256=name,
            size_bytes=1,
            orientation="RAS",
        )
    engine.dispose()
    return str(version.id)


def test_a_request_repeated_with_its_key_gets_its_job_whatever_became_of_the_version(
    client: TestClient, settings: Settings
) -> None:
    version = model_version(settings, "candidate")
    volume = upload(client, nifti_bytes(ct())).json()
    body = {
        "kind": "segment",
        "input": {"volume_id": volume["id"]},
        "parameters": {"model_version_id": version},
    }
    first = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "version"})
    assert first.status_code == 202, first.text
    said = client.post(f"/v1/model-versions/{version}/reject", json={"reason": "misses the larynx"})
    assert said.status_code == 200, said.text
    again = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "version"})
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert client.post("/v1/jobs", json=body).json()["code"] == "model_version_rejected"


def test_the_same_segmentation_by_another_request_is_the_same_job(
    client: TestClient, settings: Settings
) -> None:
    version = model_version(settings, "the same")
    volume = upload(client, nifti_bytes(ct())).json()

    def post(key: str | None = None, **parameters: object) -> tuple[int, str, int]:
        body = {
            "kind": "segment",
            "input": {"volume_id": volume["id"]},
            "parameters": {"model_version_id": version, **parameters},
        }
        answer = client.post("/v1/jobs", json=body, headers={} if key is None else {"Idempotency-Key": key})
        assert answer.status_code in (200, 202), answer.text
        return answer.status_code, answer.json()["id"], answer.json()["priority"]

    accepted, job_id, _ = post("same 1")
    assert accepted == 202
    assert post("same 2") == (200, job_id, 10)
    assert post(hu_confirmed=True, hu_offset=0) == (200, job_id, 10)
    assert post(priority="stat") == (200, job_id, 0)
    for different in ({"profile": "fast"}, {"hu_offset": -1024}):
        assert post(**different)[0] == 202
    assert client.post(f"/v1/jobs/{job_id}/cancel").json()["state"] == "cancelled"
    assert post("same 2") == (200, job_id, 0)  # the key's answer
    anew = post()
    assert anew[0] == 202 and anew[1] != job_id


def sent(client: TestClient, body: bytes, **extra: object) -> str:
    """Send a file that fits one part and leave its upload open."""
    made = announce(client, body, **extra)
    assert client.put(f"/v1/uploads/{made['id']}/parts/1", content=body).status_code == 200
    return str(made["id"])


def test_one_call_makes_a_volume_of_an_upload_and_a_job_for_it(
    client: TestClient, settings: Settings
) -> None:
    version = model_version(settings, "one call")

    def post(**given: str) -> Any:
        body = {"kind": "segment", "input": given, "parameters": {"model_version_id": version}}
        return client.post("/v1/jobs", json=body)

    body = nifti_bytes(ct())
    upload_id = sent(client, body)
    job = post(upload_id=upload_id)
    assert job.status_code == 202, job.text
    volume_id = job.json()["volume_id"]
    assert client.get(f"/v1/uploads/{upload_id}").json()["result_id"] == volume_id
    assert client.get(f"/v1/volumes/{volume_id}/content").content == body
    for again in (post(upload_id=upload_id), post(volume_id=volume_id), post(upload_id=sent(client, body))):
        assert (again.status_code, again.json()["id"]) == (200, job.json()["id"])

    def code(**given: str) -> tuple[int, str]:
        answer = post(**given)
        return answer.status_code, answer.json()["code"]

    mask_id = sent(client, body, purpose="mask", volume_id=volume_id)
    bad_id, half = sent(client, b"this is no image" * 40), announce(client, body)
    assert code() == (422, "input_unclear")
    assert code(upload_id=upload_id, volume_id=volume_id) == (422, "input_unclear")
    assert code(upload_id=mask_id) == (422, "upload_no_volume")
    assert code(upload_id=bad_id) == (422, "not_nifti")
    assert code(upload_id=bad_id) == (409, "upload_closed")
    assert code(upload_id=half["id"]) == (409, "upload_incomplete")
    assert code(upload_id=volume_id) == (404, "upload_unknown")


def test_lists_are_paged_without_loss(client: TestClient) -> None:
    made = {client.post("/v1/jobs", json={"kind": "selftest"}).json()["id"] for _ in range(5)}
    seen: list[str] = []
    cursor = None
    while True:
        page = client.get("/v1/jobs", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert made <= set(seen)
    assert len(seen) == len(set(seen))


def test_nothing_but_health_and_docs_answers_without_the_token(
    client: TestClient,
) -> None:
    anonymous = TestClient(client.app)
    open_paths = {"/health", "/ready"}
    # They take a link's code and a provider's token, and say that there is none.
    sign_ins = {("post", "/v1/sessions"), ("post", "/v1/sessions/oidc")}
    for path, methods in client.app.openapi()["paths"].items():  # type: ignore[attr-defined]
        for method in methods:
            address = path.replace("{number}", "1").replace("{level}", "0").replace("{", "").replace("}", "")
            status = anonymous.request(method, address).status_code
            expected = 200 if path in open_paths else 422 if (method, path) in sign_ins else 401
            assert status == expected, (
                method,
                path,
                status,
            )


def test_ready_names_what_is_away_and_metrics_count(client: TestClient, settings: Settings) -> None:
    assert client.get("/ready").json() == {"status": "ready"}
    assert "segloop_outbox_rows " in client.get("/metrics").text


def test_a_method_that_a_path_does_not_have_is_answered_with_those_it_has(client: TestClient) -> None:
    answer = client.put("/v1/jobs")
    assert (answer.status_code, answer.json()["code"]) == (405, "http_405")
    assert answer.headers["allow"]


NO_ID = "0" * 32 + "----"


def cursor_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("method", "url", "body", "code"),
    [
        ("GET", f"/v1/volumes/{NO_ID}", None, "id_invalid"),
        ("GET", f"/v1/projects/{NO_ID}", None, "project_unknown"),
        (
            "POST",
            f"/v1/volumes/{'0' * 8}-{'0' * 4}-{'0' * 4}-{'0' * 4}-{'0' * 12}/drafts",
            {"base_mask_id": ""},
            "id_invalid",
        ),
        ("GET", "/v1/projects/a%00b", None, "text_invalid"),
        ("GET", "/v1/projects/default/worklist?search=a%00b", None, "text_invalid"),
        ("POST", "/v1/projects/default/uploads", {"size_bytes": 5, "case_reference": "a\0b"}, "text_invalid"),
        (
            "POST",
            "/v1/projects",
            {"slug": "nul", "name": "n", "labels": [{"index": 1, "name": "\0"}]},
            "text_invalid",
        ),
        (
            "GET",
            f"/v1/projects/default/volumes?cursor={cursor_of('2026-01-01T00:00:00+00:00|nope')}",
            None,
            "cursor_invalid",
        ),
    ],
)
def test_what_the_database_cannot_hold_is_refused_and_no_accident(
    client: TestClient, method: str, url: str, body: dict[str, Any] | None, code: str
) -> None:
    answer = client.request(method, url, json=body)
    assert (answer.status_code, answer.json()["code"]) == (404 if code.endswith("unknown") else 422, code)


def test_two_label_sets_appended_at_once_are_one_and_a_refusal(
    client: TestClient, settings: Settings
) -> None:
    slug = f"race-{next(FRESH)}"
    project = client.post("/v1/projects", json={"slug": slug, "name": "race"}).json()
    answers: list[Any] = []
    labels = [{"index": 2, "name": "mine"}]
    second = threading.Thread(
        target=lambda: answers.append(client.post(f"/v1/projects/{slug}/label-sets", json={"labels": labels}))
    )
    engine = open_engine(settings.database_url)
    with transaction(engine) as conn:
        projects_table.insert_label_set(
            conn, project_id=project["id"], labels=[{"index": 1, "name": "theirs"}], actor="dr-b"
        )
        second.start()
        time.sleep(0.5)  # it has read that there is none yet, and waits for this transaction
    second.join()
    engine.dispose()
    assert answers, "the second request was an accident"
    assert (answers[0].status_code, answers[0].json()["code"]) == (409, "label_set_conflict")
    (kept,) = client.get(f"/v1/projects/{slug}/label-sets").json()["items"]
    assert [label["name"] for label in kept["labels"]] == ["theirs"]
