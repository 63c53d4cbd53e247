"""The pages open with a one-time link and with nothing else, and act as whom it signed in."""

import json
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from ui import cookies, sign_in
from ui.cookies import Cookies
from ui.notice import Notice, safe_path

COOKIES = Cookies("secret", is_secure=False)
SESSION = "sgs_00000000000000000000000000000001_hidden"


@pytest.fixture
def client() -> Iterator[TestClient]:
    links = {"one", "two"}

    def answer(request: httpx.Request) -> httpx.Response:
        code = json.loads(request.content)["code"]
        if code == "away":
            raise httpx.ConnectError("refused")
        if code == "broken":
            return httpx.Response(503, json={})
        if code not in links:
            return httpx.Response(401, json={"code": "link_invalid"})
        links.remove(code)
        return httpx.Response(201, json={"key": SESSION, "name": "anna"})

    def inside(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.scope[sign_in.SCOPE_KEY])

    api = httpx.AsyncClient(base_url="http://api", transport=httpx.MockTransport(answer))
    app = Starlette(
        routes=[Route("/{path:path}", inside, methods=["GET", "POST"])],
        middleware=[Middleware(sign_in.SignIn, cookies=COOKIES, notice=Notice(False, "", "us"), api=api)],
    )
    with TestClient(app, base_url="http://127.0.0.1:1", follow_redirects=False) as client:
        yield client


def test_without_a_link_the_page_says_how_to_get_one(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 401
    assert "./segloop admin link" in answer.text


def open_link(client: TestClient, code: str) -> httpx.Response:
    """Open a link and click its button, as a browser does."""
    asked = client.get(f"/?key={code}")
    assert asked.status_code == 200 and f'value="{code}"' in asked.text and "set-cookie" not in asked.headers
    return client.post(sign_in.LINK, data={"key": code}, headers={"Origin": "http://127.0.0.1:1"})


def test_who_only_looks_at_a_link_does_not_use_it(client: TestClient) -> None:
    for look in (client.get, client.head, client.get):
        answer = look("/?key=one")
        assert answer.status_code == 200 and "set-cookie" not in answer.headers
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert open_link(client, "one").status_code == 303


def test_another_site_signs_nobody_in_and_uses_no_link(client: TestClient) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {}):
        answer = client.post(sign_in.LINK, data={"key": "one"}, headers=headers)
        assert answer.status_code == 401 and "set-cookie" not in answer.headers
    assert open_link(client, "one").status_code == 303


def test_a_links_code_is_text_and_never_markup(client: TestClient) -> None:
    assert "<script" not in client.get("/", params={"key": '"><script>1</script>'}).text


def test_a_link_opens_once_and_the_browser_gets_no_key_that_it_could_read(client: TestClient) -> None:
    opened = open_link(client, "one")
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    cookie = opened.headers["set-cookie"]
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    assert "sgs" not in cookie and "hidden" not in cookie
    assert client.get("/segment").text == SESSION
    client.cookies.clear()
    assert open_link(client, "one").status_code == 401
    assert open_link(client, "two").status_code == 303


@pytest.mark.parametrize("link", ["away", "broken"])
def test_a_link_is_not_called_used_while_the_api_is_away(client: TestClient, link: str) -> None:
    answer = open_link(client, link)
    assert answer.status_code == 503 and "same link again" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("value", ["", "x", SESSION, "AAAA", "é.é", "A" * 200])
def test_a_forged_cookie_is_refused(value: str) -> None:
    assert COOKIES.session({cookies.SESSION: value}) is None


def test_a_cookie_ends_and_opens_with_its_own_key_for_its_own_purpose_only() -> None:
    value = COOKIES.seal(cookies.SESSION, SESSION, now=0)
    lifetime_s = cookies.LIFETIMES_S[cookies.SESSION]
    assert COOKIES.unseal(cookies.SESSION, value, now=lifetime_s - 1) == SESSION
    assert COOKIES.unseal(cookies.SESSION, value, now=lifetime_s) is None
    assert COOKIES.unseal(cookies.PENDING, value, now=1) is None
    assert Cookies("another secret", is_secure=False).unseal(cookies.SESSION, value, now=1) is None
    assert COOKIES.unseal(cookies.SESSION, value[:-4] + "AAAA", now=1) is None


def test_another_origin_may_not_change_anything(client: TestClient) -> None:
    client.cookies.set(cookies.SESSION, COOKIES.seal(cookies.SESSION, [SESSION, False]))
    assert client.post("/api/v1/jobs", headers={"Origin": "http://evil.example"}).status_code == 401
    assert client.post("/api/v1/jobs", headers={"Origin": "http://127.0.0.1:1"}).text == SESSION


@pytest.mark.parametrize("path", ["/", "/segment?volume=1", "/models", "/a/b?c=%2F%2Fevil.example"])
def test_a_path_of_ours_is_gone_back_to(path: str) -> None:
    assert safe_path(path) == path


@pytest.mark.parametrize("path", ["", "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "evil.example", " /x",
    "/\t/evil.example", "/x\r\nSet-Cookie: a=b", "javascript:alert(1)", "/sign-in", "/sign-out", "/signed-out", "/api/v1/me", "/" + "x" * 2000])  # fmt: skip
def test_nobody_is_led_elsewhere_after_signing_in(path: str) -> None:
    assert safe_path(path) == "/"
