"""Limits of the API as it is asked: how often, how long, how slowly; and what browsers of other origins get."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient

from segloop.settings import Settings
from segloop.web import bodies
from services.api import limits
from services.api.main import create_app
from tests.api_server import serve
from tests.integration.test_accounts import as_, sign_in

FEW = {"wrong_sign_ins_per_minute": 3, "wrong_credentials_per_minute": 5, "posts_per_minute": 6}


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be one minute as long as the test lasts."""
    monkeypatch.setattr(limits.time, "time", lambda: 1_800_000_015.0)


@pytest.fixture
def http(settings: Settings, still: None) -> Iterator[TestClient]:
    with TestClient(create_app(replace(settings, **FEW))) as client:
        client.headers["Authorization"] = f"Bearer {settings.token}"
        yield client


def wrong_link(http: TestClient) -> tuple[int, str]:
    answer = http.post("/v1/sessions", json={"code": "wrong"}, headers={"Authorization": ""})
    return answer.status_code, answer.json()["code"]


def test_wrong_sign_ins_of_an_address_are_told_to_wait_and_right_ones_never_are(
    http: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(http, "nils")
    good = http.post("/v1/people/nils/links").json()["code"]
    assert [wrong_link(http) for _ in range(5)] == [(401, "link_invalid")] * 3 + [
        (429, "too_many_sign_ins")
    ] * 2
    refused = http.post("/v1/sessions", json={"code": "wrong"}, headers={"Authorization": ""})
    assert refused.status_code == 429 and refused.headers["retry-after"] == "45"
    # Or anybody on the network could lock everybody out.
    opened = http.post("/v1/sessions", json={"code": good}, headers={"Authorization": ""})
    assert opened.status_code == 201
    # Another process of the API counts with the same Valkey; another address has its own count.
    with TestClient(create_app(replace(settings, **FEW))) as other:
        assert wrong_link(other)[0] == 429
    with TestClient(create_app(replace(settings, **FEW)), client=("10.0.0.7", 1)) as elsewhere:
        assert wrong_link(elsewhere)[0] == 401
    monkeypatch.setattr(limits.time, "time", lambda: 1_800_000_061.0)
    assert wrong_link(http)[0] == 401


def test_wrong_credentials_are_told_to_wait_and_right_ones_never_are(http: TestClient) -> None:
    key = sign_in(http, "nele")
    given = [http.get("/v1/me", headers=as_(f"sgk_{'0' * 32}_x{n}")).status_code for n in range(7)]
    assert given == [401] * 5 + [429] * 2
    told = http.get("/v1/me", headers=as_("wrong")).json()
    assert told["code"] == "too_many_credentials" and 0 < told["retry_after_s"] <= 60
    assert http.get("/v1/me", headers=as_(key)).status_code == 200


def test_a_person_posts_so_much_a_minute_and_reads_on_and_the_machines_own_commands_are_not_counted(
    http: TestClient,
) -> None:
    key, other = sign_in(http, "nina"), sign_in(http, "nico")
    for name in ("nina", "nico"):
        http.put(f"/v1/projects/default/members/{name}", json={"role": "annotator"})
    body = {"size_bytes": 10}
    made = [http.post("/v1/projects/default/uploads", json=body, headers=as_(key)) for _ in range(8)]
    assert [answer.status_code for answer in made] == [201] * 6 + [429] * 2
    assert made[-1].json()["code"] == "too_many_posts" and made[-1].headers["retry-after"] == "45"
    # A second sign-in of the same person doesn't help.
    again = http.post("/v1/projects/default/uploads", json=body, headers=as_(sign_in(http, "nina")))
    assert again.status_code == 429
    assert http.get("/v1/projects/default/worklist", headers=as_(key)).status_code == 200
    assert http.post("/v1/projects/default/uploads", json=body, headers=as_(other)).status_code == 201
    own = {http.post("/v1/projects/default/uploads", json=body).status_code for _ in range(8)}
    assert own == {201}


def test_without_valkey_the_work_goes_on_and_each_process_counts_for_itself(
    settings: Settings, still: None
) -> None:
    away = replace(settings, redis_url="redis://127.0.0.1:1/0", **FEW)
    with TestClient(create_app(away)) as http:
        http.headers["Authorization"] = f"Bearer {settings.token}"
        key = sign_in(http, "nora")
        assert http.get("/v1/me", headers=as_(key)).status_code == 200
        assert [wrong_link(http)[0] for _ in range(4)] == [401] * 3 + [429]


def test_zero_means_no_limit(settings: Settings, still: None) -> None:
    free = replace(settings, **dict.fromkeys(FEW, 0))
    with TestClient(create_app(free)) as http:
        assert {wrong_link(http)[0] for _ in range(8)} == {401}


def test_a_long_json_body_is_refused_before_anybody_is_asked_who_they_are(http: TestClient) -> None:
    long = b'{"code": "' + b"x" * 5 * 2**20 + b'"}'
    for path in ("/v1/sessions", "/v1/jobs", "/v1/projects"):
        answer = http.post(path, content=long, headers={"Authorization": ""})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_that_stops_is_given_up_and_the_connection_with_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies.BodyLimits.__init__, "__kwdefaults__", {"patience_s": 0.5})
    with serve(settings) as url:
        address = urlsplit(url)
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=60) as client:
            client.sendall(
                b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
            )
            got = b""
            while chunk := client.recv(4096):
                got += chunk
    assert got.startswith(b"HTTP/1.1 408") and b"body_too_slow" in got


def test_other_origins_read_nothing_and_every_answer_has_the_headers(
    settings: Settings,
) -> None:
    app = create_app(replace(settings, public_url="https://segloop.example.org"))

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("a bug")

    with TestClient(app, raise_server_exceptions=False) as http:
        own = {"Authorization": f"Bearer {settings.token}", "Origin": "http://evil.example"}
        for path, status in (
            ("/health", 200),
            ("/v1/me", 200),
            ("/v1/nowhere", 404),
            ("/broken", 500),
            ("/docs", 200),
        ):
            answer = http.get(path, headers=own)
            assert answer.status_code == status
            assert not any(name.startswith("access-control") for name in answer.headers)
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert status == 500 or answer.headers["strict-transport-security"]
        asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        preflight = http.options("/v1/jobs", headers=asked)
        assert preflight.status_code == 405
        assert not any(name.startswith("access-control") for name in preflight.headers)
