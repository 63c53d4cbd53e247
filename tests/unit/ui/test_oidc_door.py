"""The front door and the identity provider: what it sends there, what it takes back, and what the browser keeps."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from segloop.errors import InvalidInput
from segloop.settings import Settings
from tests.api_server import serve_app
from ui import oidc
from ui.cookies import Cookies
from ui.notice import Notice
from ui.oidc import Oidc
from ui.sign_in import SignIn

SECRET = "s/ecret: with signs"


@dataclass
class Provider:
    """Answers as it is told to, and keeps what it was asked."""

    issuer: str = ""
    more: dict[str, object] = field(default_factory=dict)
    token: Response = field(default_factory=lambda: JSONResponse({"id_token": "the-token"}))
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)

    def describe(self, request: Request) -> Response:
        ends = {"authorization_endpoint": "auth", "token_endpoint": "token", "jwks_uri": "jwks"}
        document = {name: f"{self.issuer}/{path}" for name, path in ends.items()}
        return JSONResponse({"issuer": self.issuer, **document, **self.more})

    async def answer(self, request: Request) -> Response:
        body = (await request.body()).decode()
        self.asked.append((request.headers.get("authorization", ""), parse_qs(body)))
        return self.token


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    found = Provider()
    routes = [
        Route("/.well-known/openid-configuration", found.describe),
        Route("/token", found.answer, methods=["POST"]),
    ]
    with serve_app(Starlette(routes=routes)) as found.issuer:
        yield found


@pytest.fixture(autouse=True)
def fresh(provider: Provider) -> None:
    provider.more, provider.asked = {}, []
    provider.token = JSONResponse({"id_token": "the-token"})


@pytest.fixture
def settings(provider: Provider) -> Settings:
    needed = ("DATABASE_URL", "REDIS_URL", "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY", "TOKEN")
    values = {f"SEGLOOP_{name}": "x" for name in (*needed, "TICKET_KEY", "PSEUDONYM_KEY")}
    values |= {"SEGLOOP_OIDC_ISSUER": provider.issuer, "SEGLOOP_OIDC_CLIENT_ID": "segloop"}
    values |= {"SEGLOOP_OIDC_CLIENT_SECRET": SECRET, "SEGLOOP_PUBLIC_URL": "https://segloop.example.org/"}
    return Settings.from_env(values)


def door(settings: Settings, refusal: Response | None = None) -> TestClient:
    """Return the front door before pages that say whose session they see, with an API that opens one for each token."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if request.method == "DELETE":
            return httpx.Response(client.app_state.get("end", 204), content=b"")
        if refusal is not None:
            return httpx.Response(refusal.status_code, content=bytes(refusal.body))
        return httpx.Response(201, json={"key": f"sgs_{len(sent)}", "name": "anna"})

    api = httpx.AsyncClient(base_url="http://api", transport=httpx.MockTransport(answer))
    inside = Route("/{path:path}", lambda r: PlainTextResponse(r.scope["segloop.session"]))
    door = Middleware(
        SignIn, cookies=Cookies.of(settings), notice=Notice.of(settings), api=api, oidc=Oidc(settings)
    )
    client = TestClient(
        Starlette(routes=[inside], middleware=[door]),
        base_url="https://segloop.example.org",
        follow_redirects=False,
    )
    client.app_state = {"sent": sent}
    return client


def start(client: TestClient, path: str = "/sign-in") -> dict[str, str]:
    answer = client.get(path)
    assert answer.status_code == 303, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def come_back(client: TestClient, **answer: str) -> httpx.Response:
    found: httpx.Response = client.get("/sign-in/callback", params=answer)
    return found


def test_a_sign_in_is_bound_to_browser_client_and_request(settings: Settings, provider: Provider) -> None:
    client = door(settings)
    asked = start(client, "/sign-in?to=/segment%3Fvolume%3D1")
    assert (asked["response_type"], asked["client_id"], asked["scope"]) == (
        "code",
        "segloop",
        "openid email profile",
    )
    assert asked["redirect_uri"] == "https://segloop.example.org/sign-in/callback"
    assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert "claims" not in asked and "prompt" not in asked
    answer = come_back(client, code="c", state=asked["state"], iss=provider.issuer)
    assert (answer.status_code, answer.headers["location"]) == (303, "/segment?volume=1")
    ((authorization, form),) = provider.asked
    assert httpx.BasicAuth("segloop", "s%2Fecret%3A+with+signs")._auth_header == authorization
    assert form["code"] == ["c"] and form["redirect_uri"] == [asked["redirect_uri"]]
    assert oidc._challenge(form["code_verifier"][0]) == asked["code_challenge"]
    (sent,) = client.app_state["sent"]
    assert sent.url.path == "/v1/sessions/oidc"
    assert sent.content == b'{"id_token":"the-token","nonce":"' + asked["nonce"].encode() + b'"}'
    assert client.get("/jobs").text == "sgs_1"
    # The answer is used up: the browser has nothing more that it fits.
    assert come_back(client, code="c", state=asked["state"]).status_code == 401


def test_cookies_are_secure_where_the_pages_are(settings: Settings) -> None:
    client = door(settings)
    asked = start(client)
    cookies: SimpleCookie = SimpleCookie()
    for header in come_back(client, code="c", state=asked["state"]).headers.get_list("set-cookie"):
        cookies.load(header)
    session = cookies["__Host-segloop_session"]
    assert session["secure"] and session["httponly"] and session["samesite"] == "lax"
    assert (session["path"], session["domain"], session["max-age"]) == ("/", "", str(12 * 3600))
    assert "sgs_" not in session.value and "the-token" not in session.value
    assert cookies["__Host-segloop_sign_in"]["max-age"] == "0"
    assert not Cookies.of(replace(settings, public_url="")).is_secure


@pytest.mark.parametrize(
    "change", [{"state": "another"}, {"state": ""}, {"iss": "https://another.example.org"}]
)
def test_an_answer_to_another_question_is_refused(
    settings: Settings, provider: Provider, change: dict[str, str]
) -> None:
    client = door(settings)
    good = {"code": "c", "state": start(client)["state"], "iss": provider.issuer}
    answer = come_back(client, **(good | change))
    assert answer.status_code == 401 and "was not begun in this browser" in answer.text
    assert provider.asked == [] and client.app_state["sent"] == []


def test_another_browser_can_not_use_an_answer(settings: Settings, provider: Provider) -> None:
    state = start(door(settings))["state"]
    assert come_back(door(settings), code="c", state=state).status_code == 401
    assert provider.asked == []


def test_what_the_provider_refuses_or_gets_wrong_is_told(settings: Settings, provider: Provider) -> None:
    for token, status, words in (
        (JSONResponse({"error": "invalid_grant"}, 400), 401, "(invalid_grant)"),
        (JSONResponse({"error": "<script>"}, 400), 401, "(error)"),
        (JSONResponse({"access_token": "x"}), 503, "SEGLOOP_OIDC_ISSUER"),
        (PlainTextResponse("what?"), 503, "SEGLOOP_OIDC_ISSUER"),
        (PlainTextResponse("", 502), 503, "identity provider can"),
    ):
        provider.token = token
        client = door(settings)
        answer = come_back(client, code="c", state=start(client)["state"])
        assert answer.status_code == status and words in answer.text and "<script>" not in answer.text
        assert not client.app_state["sent"]


def test_who_may_not_come_in_reads_why_and_can_take_another_account(settings: Settings) -> None:
    client = door(settings, JSONResponse({"detail": "Ask <us>."}, 403))
    answer = come_back(client, code="c", state=start(client, "/sign-in?to=/jobs")["state"])
    assert answer.status_code == 403 and "Ask &lt;us&gt;." in answer.text
    assert "/sign-in?to=%2Fjobs&amp;account=another" in answer.text
    assert start(client, "/sign-in?to=%2Fjobs&account=another")["prompt"] == "login"


def test_clients_show_their_secret_as_the_provider_wants_it_or_have_none(
    settings: Settings, provider: Provider
) -> None:
    provider.more = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    provider.more |= {"claims_parameter_supported": True}
    client = door(settings)
    asked = start(client)
    assert '"email"' in asked["claims"]
    come_back(client, code="c", state=asked["state"])
    public = door(replace(settings, oidc_client_secret=""))
    come_back(public, code="c", state=start(public)["state"])
    (first, posted), (second, bare) = provider.asked
    assert first == second == "" and posted["client_secret"] == [SECRET]
    assert bare["client_id"] == ["segloop"] and "client_secret" not in bare


def test_signing_out_goes_on_to_a_provider_that_has_a_way_out(settings: Settings, provider: Provider) -> None:
    for more, end in (
        ({}, "/signed-out"),
        ({"end_session_endpoint": f"{provider.issuer}/out?x=1"}, f"{provider.issuer}/out?x=1&client_id=segloop"
         "&post_logout_redirect_uri=https%3A%2F%2Fsegloop.example.org%2Fsigned-out"),
    ):  # fmt: skip
        provider.more = more
        client = door(settings)
        come_back(client, code="c", state=start(client)["state"])
        assert client.post("/sign-out", headers={"Origin": "https://evil.example"}).status_code == 401
        assert client.get("/jobs").status_code == 200
        answer = client.post("/sign-out", headers={"Origin": "https://segloop.example.org"})
        assert (answer.status_code, answer.headers["location"]) == (303, end)
        assert [one.method for one in client.app_state["sent"]] == ["POST", "DELETE"]
        assert client.get("/jobs").status_code == 401


@pytest.mark.parametrize(
    ("status", "out"), [(204, True), (401, True), (500, False), (429, False), (403, False)]
)
def test_nobody_is_told_to_be_signed_out_who_may_not_be(settings: Settings, status: int, out: bool) -> None:
    client = door(settings)
    come_back(client, code="c", state=start(client)["state"])
    client.app_state["end"] = status
    answer = client.post("/sign-out", headers={"Origin": "https://segloop.example.org"})
    if out:
        assert (answer.status_code, answer.headers["location"]) == (303, "/signed-out")
    else:
        assert answer.status_code == 503 and "may still be valid" in answer.text
    assert client.get("/jobs").status_code == (401 if out else 200)


def test_a_description_with_an_address_that_anybody_could_answer_is_refused(
    settings: Settings, provider: Provider
) -> None:
    for more in ({"token_endpoint": "http://login.example.org/token"}, {"issuer": "https://another.example.org"},
                 {"jwks_uri": None}, {"authorization_endpoint": "javascript:alert(1)"}):  # fmt: skip
        provider.more = more
        answer = door(settings).get("/sign-in")
        assert (
            answer.status_code == 503
            and answer.headers["retry-after"]
            and "SEGLOOP_OIDC_ISSUER" in answer.text
        )


def test_a_secret_file_that_is_missing_is_told_at_start(settings: Settings) -> None:
    with pytest.raises(InvalidInput, match="SEGLOOP_OIDC_CLIENT_SECRET_FILE"):
        Oidc(replace(settings, oidc_client_secret_file="/nowhere"))
