"""The embedded UI opens with a one-time link and with nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from ui import sign_in


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    link_file = tmp_path / "links"
    link_file.write_text(json.dumps(["one", "two"]))
    app = Starlette(
        routes=[Route("/{path:path}", lambda _: PlainTextResponse("inside"), methods=["GET", "POST"])],
        middleware=[Middleware(sign_in.SignIn, key="secret", link_file=link_file)],
    )
    with TestClient(app, base_url="http://127.0.0.1:1", follow_redirects=False) as client:
        yield client


def test_without_a_link_the_page_says_how_to_get_one(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 401
    assert "./segloop admin link" in answer.text


def test_a_link_opens_once(client: TestClient) -> None:
    opened = client.get("/?key=one")
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/segment").text == "inside"
    client.cookies.clear()
    assert client.get("/?key=one").status_code == 401
    assert client.get("/?key=two").status_code == 303


@pytest.mark.parametrize("session", ["", "x", "9999999999.", "9999999999.abc", f"1.{'0' * 64}", "é.é"])
def test_a_forged_session_is_refused(session: str) -> None:
    assert not sign_in.is_valid(session, "secret")


def test_a_session_ends(client: TestClient) -> None:
    session = sign_in.issue("secret", now=0)
    assert sign_in.is_valid(session, "secret", now=sign_in.LIFETIME_S - 1)
    assert not sign_in.is_valid(session, "secret", now=sign_in.LIFETIME_S)
    assert not sign_in.is_valid(session, "another secret", now=1)


def test_another_origin_may_not_change_anything(client: TestClient) -> None:
    client.cookies.set(sign_in.COOKIE, sign_in.issue("secret"))
    assert client.post("/api/v1/jobs", headers={"Origin": "http://evil.example"}).status_code == 401
    assert client.post("/api/v1/jobs", headers={"Origin": "http://127.0.0.1:1"}).text == "inside"
