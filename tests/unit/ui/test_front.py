"""What stands before the pages: who may use the cookie, what pages may load, and where the API is told that people are."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import MISSING, fields, replace
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from segloop.settings import Settings
from segloop.web.headers import SecurityHeaders
from ui import front, sign_in
from ui.cookies import SESSION, Cookies
from ui.notice import Notice
from ui.proxy import make_api_proxy

OWN = "http://127.0.0.1:1"
COOKIES = Cookies("secret", is_secure=False)
REQUIRED = {field.name: "unused" for field in fields(Settings) if field.default is MISSING}
SETTINGS = Settings(**REQUIRED)


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    yield body


@pytest.fixture
def client() -> Iterator[TestClient]:
    def answer(request: httpx.Request) -> httpx.Response:
        told = json.dumps({"from": request.headers.get("x-forwarded-for")}).encode()
        return httpx.Response(200, content=_chunks(told))

    def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse("page")

    api = httpx.AsyncClient(base_url="http://api", transport=httpx.MockTransport(answer))
    app = Starlette(
        routes=[Mount("/api", app=make_api_proxy(api)), Route("/", page)],
        middleware=[
            Middleware(SecurityHeaders, policy=front.policy_of(SETTINGS)),
            Middleware(sign_in.SignIn, cookies=COOKIES, notice=Notice(False, "", "us"), api=api),
        ],
    )
    with TestClient(app, base_url=OWN) as client:
        client.cookies.set(COOKIES.name(SESSION), COOKIES.seal(SESSION, ["sgs_x", False]))
        yield client


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({"Origin": OWN}, True),
        ({"Origin": OWN, "Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://127.0.0.1:2"}, False),
        ({"Origin": f"{OWN}.evil.example"}, False),
        ({"Origin": OWN, "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": OWN, "Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
    ],
)
def test_only_the_pages_themselves_change_anything_with_the_cookie(
    client: TestClient, headers: dict[str, str], is_own: bool
) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = client.request(method, "/api/v1/jobs", headers=headers)
        assert answer.status_code == (200 if is_own else 401), method
    assert client.get("/api/v1/jobs", headers=headers).status_code == 200
    scope = {"type": "websocket", "path": "/_stcore/stream"}
    assert front.is_own(scope, Headers({"host": "127.0.0.1:1", **headers})) is is_own


def test_no_other_origin_may_read(client: TestClient) -> None:
    for method in ("GET", "OPTIONS"):
        answer = client.request(
            method,
            "/api/v1/jobs",
            headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "GET"},
        )
        assert not any(name.startswith("access-control") for name in answer.headers)


def test_the_api_learns_the_browsers_address_from_the_server_and_from_nobody_else(client: TestClient) -> None:
    answer = client.get("/api/v1/me", headers={"X-Forwarded-For": "10.9.8.7"})
    assert answer.json() == {"from": "testclient"}


def test_every_answer_has_the_headers_and_over_tls_hsts(client: TestClient) -> None:
    signed_out = TestClient(client.app, base_url=OWN)
    for answer in (client.get("/"), client.get("/api/v1/me"), signed_out.get("/")):
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] in ("same-origin", "no-referrer")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "strict-transport-security" not in headers
    tls = TestClient(client.app, base_url="https://127.0.0.1:1")
    assert tls.get("/").headers["strict-transport-security"] == "max-age=31536000"


def test_scripts_of_the_page_are_known_by_hash_and_none_is_made_from_text() -> None:
    script = next(part for part in policy(SETTINGS) if part.startswith("script-src "))
    assert script.count("'sha256-") == 3  # Streamlit's page, and names that are hidden or not
    assert "unsafe" not in script and "http" not in script and "*" not in script


def test_forms_lead_to_the_pages_and_to_the_identity_provider_only() -> None:
    assert "form-action 'self'" in policy(SETTINGS)
    away = replace(SETTINGS, oidc_issuer="https://id.example.org/realms/hospital")
    assert "form-action 'self' https://id.example.org" in policy(away)


def policy(settings: Settings) -> list[str]:
    return front.policy_of(settings)("/").split("; ")


def test_pages_take_short_bodies_and_leave_those_for_the_api_to_it() -> None:
    assert front.most({"path": "/_stcore/upload_file/x"}) == front.PAGE_BYTES
    assert front.most({"path": "/api/v1/uploads/x/parts/1"}) is None
    config = (Path(front.__file__).parents[1] / ".streamlit/config.toml").read_text()
    assert "maxUploadSize = 1\n" in config  # MB, so what Streamlit takes fits
