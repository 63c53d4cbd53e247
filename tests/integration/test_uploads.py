"""Uploads under stress: at the same time, broken off, too large for one process, on a store that goes away."""

import hashlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import nibabel as nib
import numpy as np
import psutil
import pytest
from fastapi.testclient import TestClient

from segloop.settings import Settings
from segloop.storage import ObjectStore
from segloop.volumes import ingest
from services.api.main import create_app
from tests.conftest import ROOT

MIB = 2**20


@pytest.fixture
def small_parts(settings: Settings) -> Settings:
    """Settings under which a small file has many parts."""
    return replace(settings, part_bytes=4096)


@pytest.fixture
def client(small_parts: Settings) -> Iterator[TestClient]:
    headers = {"Authorization": f"Bearer {small_parts.token}"}
    with TestClient(create_app(small_parts), headers=headers) as client:
        yield client


def ct_bytes(seed: int, shape: tuple[int, int, int] = (24, 20, 16)) -> bytes:
    array = np.random.default_rng(seed).integers(-1000, 1500, shape, dtype=np.int16)
    image = nib.Nifti1Image(array, np.diag([2.0, 2.0, 3.0, 1.0]))  # type: ignore[no-untyped-call]
    return bytes(image.to_bytes())


def announce(client: TestClient | httpx.Client, body: bytes, **extra: object) -> dict[str, Any]:
    made = client.post("/v1/projects/default/uploads", json={"size_bytes": len(body), **extra})
    assert made.status_code == 201, made.text
    return dict(made.json())


def send(client: TestClient | httpx.Client, made: dict[str, Any], body: bytes, number: int) -> None:
    part = body[(number - 1) * made["part_bytes"] : number * made["part_bytes"]]
    headers = {"X-Content-Sha256": hashlib.sha256(part).hexdigest()}
    sent = client.put(f"/v1/uploads/{made['id']}/parts/{number}", content=part, headers=headers)
    assert sent.status_code == 200, sent.text


def objects_of_one_volume(store: ObjectStore) -> bool:
    """Say whether the bucket holds one volume, soon with its viewer levels, and nothing else."""
    keys = [item.key for item in store.list_("")]
    end = time.monotonic() + 60
    while len(keys) < 7 and time.monotonic() < end:  # they are made after the answer
        time.sleep(0.1)
        keys = [item.key for item in store.list_("")]
    names = sorted(key.rpartition("/")[2] for key in keys)
    levels = [f"level-{n}{end}" for n in range(3) for end in ("", ".json")]
    return len({key.rpartition("/")[0] for key in keys}) == 1 and names == sorted([*levels, "original"])


def test_parts_sent_at_once_in_any_order_and_twice_make_the_file(
    client: TestClient, store: ObjectStore
) -> None:
    body = ct_bytes(1)
    made = announce(client, body)
    numbers = [*range(made["n_parts"], 0, -1), 1, 2]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: send(client, made, body, number), numbers))
    done = client.post(f"/v1/uploads/{made['id']}/complete")
    assert done.status_code == 201, done.text
    assert client.get(f"/v1/volumes/{done.json()['id']}/content").content == body
    assert client.post(f"/v1/uploads/{made['id']}/complete").json()["id"] == done.json()["id"]


def test_after_a_break_only_what_is_missing_has_to_be_sent(client: TestClient) -> None:
    body = ct_bytes(2)
    made = announce(client, body)
    for number in (1, 3):
        send(client, made, body, number)
    found = client.get(f"/v1/uploads/{made['id']}").json()
    assert (found["state"], found["received"]) == ("open", [1, 3])
    for number in set(range(1, made["n_parts"] + 1)) - set(found["received"]):
        send(client, made, body, number)
    assert client.post(f"/v1/uploads/{made['id']}/complete").status_code == 201


def test_completing_twice_at_the_same_time_makes_one_volume_and_leaves_nothing_over(
    client: TestClient, store: ObjectStore
) -> None:
    body = ct_bytes(3)
    first, second = announce(client, body), announce(client, body)
    for made in (first, second):
        for number in range(1, made["n_parts"] + 1):
            send(client, made, body, number)
    with ThreadPoolExecutor(4) as pool:
        ids = [first["id"], first["id"], second["id"], second["id"]]
        answers = list(pool.map(lambda id_: client.post(f"/v1/uploads/{id_}/complete"), ids))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert [answer.status_code for answer in answers].count(201) == 1
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert objects_of_one_volume(store)


def sent(client: TestClient, body: bytes, **extra: object) -> str:
    """Announce a file, send its parts and return the upload's id."""
    made = announce(client, body, **extra)
    for number in range(1, made["n_parts"] + 1):
        send(client, made, body, number)
    return str(made["id"])


def test_the_same_file_of_another_patient_is_refused_and_of_the_same_or_none_is_the_same_volume(
    client: TestClient, store: ObjectStore
) -> None:
    def complete(body: bytes, reference: str | None) -> httpx.Response:
        upload_id = sent(client, body, patient_reference=reference, case_reference="first name")
        answer: httpx.Response = client.post(f"/v1/uploads/{upload_id}/complete")
        if answer.status_code == 422:
            assert client.get(f"/v1/uploads/{upload_id}").json()["state"] == "refused"
        return answer

    first = complete(ct_bytes(20), "Doe^Jane").json()
    for same in (" Doe^Jane ", None):
        assert complete(ct_bytes(20), same).json()["id"] == first["id"]
    other = complete(ct_bytes(20), "Roe^Richard")
    assert (other.status_code, other.json()["code"]) == (422, "patient_differs")
    assert "first name, under another patient" in other.json()["detail"] and "Doe" not in other.text
    assert objects_of_one_volume(store)

    nameless = complete(ct_bytes(21), None).json()
    assert complete(ct_bytes(21), None).json()["id"] == nameless["id"]
    named = complete(ct_bytes(21), "Doe^Jane")
    assert (named.status_code, named.json()["code"]) == (422, "patient_differs")
    assert "without a patient reference" in named.json()["detail"]


def test_of_two_patients_named_for_one_file_at_the_same_time_one_is_refused(
    client: TestClient, store: ObjectStore
) -> None:
    uploads = [sent(client, ct_bytes(22), patient_reference=name) for name in ("one", "another")]
    together = threading.Barrier(2)
    store_objects = ingest.store_objects

    def wait(*arguments: Any, **options: Any) -> Any:
        together.wait(60)  # neither has found the other's volume
        return store_objects(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(ingest, "store_objects", wait)
        answers = list(pool.map(lambda id_: client.post(f"/v1/uploads/{id_}/complete"), uploads))
    assert sorted(answer.status_code for answer in answers) == [201, 422]
    assert {answer.json().get("code") for answer in answers} == {None, "patient_differs"}
    assert objects_of_one_volume(store)


def test_a_file_that_is_refused_leaves_nothing_behind(client: TestClient, store: ObjectStore) -> None:
    body = ct_bytes(4)[:-100]
    made = announce(client, body)
    for number in range(1, made["n_parts"] + 1):
        send(client, made, body, number)
    refused = client.post(f"/v1/uploads/{made['id']}/complete")
    assert (refused.status_code, refused.json()["code"]) == (422, "truncated")
    assert client.get(f"/v1/uploads/{made['id']}").json()["state"] == "refused"
    assert list(store.list_("")) == []
    again = client.post(f"/v1/uploads/{made['id']}/complete")
    assert (again.status_code, again.json()["code"]) == (409, "upload_closed")


def test_a_file_that_needs_more_memory_than_one_upload_may_use_is_refused_and_others_go_on(
    small_parts: Settings, store: ObjectStore
) -> None:
    limited = replace(small_parts, parse_memory_bytes=288 * MIB, part_bytes=64 * MIB)
    headers = {"Authorization": f"Bearer {limited.token}"}
    with TestClient(create_app(limited), headers=headers) as client:
        for body, status in ((ct_bytes(5, (400, 400, 400)), 422), (ct_bytes(6), 201)):
            made = announce(client, body)
            for number in range(1, made["n_parts"] + 1):
                send(client, made, body, number)
            done = client.post(f"/v1/uploads/{made['id']}/complete")
            assert done.status_code == status, done.text
            if status == 422:
                assert done.json()["code"] == "volume_too_large"
                assert list(store.list_("")) == []


def test_an_upload_given_up_is_gone_and_takes_nothing_more(client: TestClient, store: ObjectStore) -> None:
    body = ct_bytes(9)
    made = announce(client, body)
    send(client, made, body, 1)
    assert client.delete(f"/v1/uploads/{made['id']}").status_code == 204
    assert client.delete(f"/v1/uploads/{made['id']}").status_code == 204
    assert list(store.list_("")) == []
    late = client.put(f"/v1/uploads/{made['id']}/parts/2", content=body[4096:8192])
    assert (late.status_code, late.json()["code"]) == (409, "upload_closed")


def test_while_the_store_is_down_an_upload_waits_and_is_finished_later(
    client: TestClient, small_parts: Settings, store: ObjectStore
) -> None:
    body = ct_bytes(10)
    made = announce(client, body)
    for number in range(1, made["n_parts"] + 1):
        send(client, made, body, number)
    headers = {"Authorization": f"Bearer {small_parts.token}"}
    away = replace(small_parts, s3_endpoint="127.0.0.1:9")
    with TestClient(create_app(away), headers=headers) as cut_off:
        refused = cut_off.post(f"/v1/uploads/{made['id']}/complete")
        assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
        assert "retry-after" in refused.headers
    assert client.get(f"/v1/uploads/{made['id']}").json()["state"] == "open"
    assert client.post(f"/v1/uploads/{made['id']}/complete").status_code == 201
    assert objects_of_one_volume(store)


def test_content_is_read_in_ranges_and_only_when_it_is_new(client: TestClient) -> None:
    body = ct_bytes(11)
    made = announce(client, body)
    for number in range(1, made["n_parts"] + 1):
        send(client, made, body, number)
    volume = client.post(f"/v1/uploads/{made['id']}/complete").json()
    address, n = f"/v1/volumes/{volume['id']}/content", len(body)
    for asked, start, stop in (
        ("0-9", 0, 10),
        (f"{n - 5}-", n - 5, n),
        ("-7", n - 7, n),
        (f"5-{n + 99}", 5, n),
    ):
        answer = client.get(address, headers={"Range": f"bytes={asked}"})
        assert (answer.status_code, answer.content) == (206, body[start:stop]), asked
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{n}"
    for asked in (f"{n}-", "-0", "9-3"):
        answer = client.get(address, headers={"Range": f"bytes={asked}"})
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{n}"), asked
    for asked in ("items=0-1", "bytes=0-1,3-4", "bytes=0-" + "9" * 5000):
        assert client.get(address, headers={"Range": asked}).status_code == 200, asked[:20]
    tag = client.get(address).headers["etag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        assert client.get(address, headers={"If-None-Match": given}).status_code == 304, given
    assert client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get(f"/v1/volumes/{volume['id']}/levels/{'9' * 70}").status_code == 422


@pytest.mark.slow
def test_a_large_upload_leaves_the_apis_memory_flat(environment: dict[str, str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "services.api.main:create_app", f"--port={port}"]
    api = subprocess.Popen(command, cwd=ROOT, env=environment | {"PATH": "/usr/bin:/bin"})
    peak, stop = [0], threading.Event()

    def watch() -> None:
        process = psutil.Process(api.pid)
        while not stop.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    try:
        headers = {"Authorization": f"Bearer {environment['SEGLOOP_TOKEN']}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=120) as client:
            _wait_for(client)
            watcher = threading.Thread(target=watch)
            watcher.start()
            _upload(client, ct_bytes(7))  # what any first upload costs
            before = peak[0]
            body = ct_bytes(8, (400, 400, 480))
            _upload(client, body)
            stop.set()
            watcher.join()
    finally:
        stop.set()
        api.kill()
        api.wait()
    grown = peak[0] - before
    # Buffers of parts on their way in and out, whatever the size of the file.
    assert grown < 120 * MIB, f"{grown / MIB:.0f} MiB for a file of {len(body) / MIB:.0f} MiB"


def _upload(client: httpx.Client, body: bytes) -> None:
    made = announce(client, body)
    for number in range(1, made["n_parts"] + 1):
        send(client, made, body, number)
    assert client.post(f"/v1/uploads/{made['id']}/complete").status_code == 201


def _wait_for(client: httpx.Client) -> None:
    limit = time.monotonic() + 30
    while True:
        try:
            client.get("/health").raise_for_status()
        except httpx.HTTPError:
            assert time.monotonic() < limit
            time.sleep(0.1)
        else:
            return


def test_an_upload_of_a_volume_belongs_to_no_other_volume_whatever_is_said(client: TestClient) -> None:
    """Found by fuzzing: it was an internal error."""
    for named in ("", "x", "0" * 36):
        body = {"size_bytes": 10, "volume_id": named}
        assert client.post("/v1/projects/default/uploads", json=body).status_code == 201
