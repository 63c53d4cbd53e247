"""Signing in at a real identity provider: in, out, refused, after its keys changed and while it is away."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlalchemy import text

from segloop.database import open_engine, transaction
from tests import npm_provider
from tests.conftest import ROOT, Stack
from tests.e2e.viewer_page import FLAGS
from tests.npm_provider import NpmProvider
from tests.orthanc import free_port

expect.set_options(timeout=30_000)
TOKEN = "installation-token-of-this-test"


@dataclass
class Site:
    """A provider, the API and the pages as processes of their own, with what they log."""

    provider: NpmProvider
    pages: str
    api: httpx.Client
    browser: Browser
    owner_url: str
    logs: list[Path]

    def add(self, name: str, *, member: bool = True) -> None:
        self.call("POST", "/v1/people", json={"name": name, "email": f"{name}@example.org"})
        if member:
            self.call("PUT", f"/v1/projects/default/members/{name}", json={"role": "viewer"})

    def call(self, method: str, path: str, **given: Any) -> Any:
        answer = self.api.request(method, path, **given)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def as_owner(self, statement: str) -> None:
        engine = open_engine(self.owner_url)
        with transaction(engine) as conn:
            conn.execute(text(statement))
        engine.dispose()

    def new_page(self) -> Page:
        page = self.browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(60_000)
        return page

    def sign_in(self, page: Page, name: str, path: str = "/") -> None:
        page.goto(self.pages + path)
        page.get_by_role("link", name="Sign in with the hospital").click()
        page.get_by_label("Name").fill(name)
        page.get_by_role("button", name="Log in").click()

    def me(self, page: Page) -> str:
        """Return whom the pages take a browser for, or the status of the refusal."""
        answer = page.request.get(f"{self.pages}/api/v1/me")
        return str(answer.json()["name"] if answer.ok else answer.status)

    def logged(self) -> str:
        return "".join(log.read_text() for log in self.logs)


@contextmanager
def process(name: str, *arguments: str, environment: dict[str, str], url: str, log: Path) -> Iterator[None]:
    with log.open("w") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", name, *arguments], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        limit = time.monotonic() + 120
        while True:
            try:
                httpx.get(url, timeout=5)
                break
            except httpx.TransportError:
                assert running.poll() is None and time.monotonic() < limit, log.read_text()
                time.sleep(0.2)
        yield
    finally:
        running.terminate()
        running.wait(60)


@pytest.fixture(scope="module")
def site(
    stack: Stack, database_url: str, owner_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    missing = npm_provider.missing()
    if missing and os.environ.get("CI"):
        pytest.fail(f"these are needed in CI: {missing}")
    if missing:
        pytest.skip(f"NOT RUN: install {', '.join(missing)} (.ci/run says how)")
    folder = tmp_path_factory.mktemp("oidc")
    api_url, pages = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    provider = NpmProvider(folder, pages)
    unused = ("REDIS_URL", "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEGLOOP_")}
    common = kept | {f"SEGLOOP_{name}": "unused" for name in unused} | {
        "SEGLOOP_TICKET_KEY": "ticket-key-of-this-test",
        "SEGLOOP_PSEUDONYM_KEY": "unused",
        "SEGLOOP_OIDC_ISSUER": provider.issuer,
        "SEGLOOP_OIDC_CLIENT_ID": npm_provider.CLIENT_ID,
        "SEGLOOP_CONTACT": "the radiology IT",
        "SEGLOOP_SCRATCH": str(folder),
    }  # fmt: skip
    for_api = common | {"SEGLOOP_DATABASE_URL": database_url, "SEGLOOP_TOKEN": TOKEN}
    for_api |= {"SEGLOOP_PARSE_READY": "false", "SEGLOOP_REDIS_URL": "redis://127.0.0.1:1/0"}
    for_api |= {"SEGLOOP_S3_ENDPOINT": "127.0.0.1:1"}
    (folder / "secret").write_text(npm_provider.CLIENT_SECRET + "\n")
    for_pages = common | {"SEGLOOP_DATABASE_URL": "unused", "SEGLOOP_TOKEN": "unused"}
    for_pages |= {"SEGLOOP_API_URL": api_url, "SEGLOOP_UI_URL": pages, "SEGLOOP_OIDC_NAME": "the hospital"}
    for_pages |= {"SEGLOOP_OIDC_CLIENT_SECRET_FILE": str(folder / "secret"), "SEGLOOP_LOG_LEVEL": "DEBUG"}
    logs = [folder / "api.log", folder / "pages.log"]
    factory = ["--factory", "services.api.main:create_app", f"--port={api_url.rpartition(':')[2]}"]
    with ExitStack() as running:
        running.enter_context(
            process("uvicorn", *factory, environment=for_api, url=f"{api_url}/health", log=logs[0])
        )
        running.enter_context(process("ui.proxy", environment=for_pages, url=pages, log=logs[1]))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        api = running.enter_context(httpx.Client(base_url=api_url, headers=headers, timeout=60))
        playwright = running.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM"), args=FLAGS)
        running.callback(browser.close)
        yield Site(provider, pages, api, browser, owner_url, logs)


def kept_by(page: Page) -> str:
    """Return everything that a page's own scripts can read of what the browser keeps."""
    return str(
        page.evaluate(
            "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, location.href, history.state])"
        )
    )


def test_in_by_the_provider_and_out_of_both_and_no_token_is_left_anywhere(site: Site) -> None:
    site.add("anna")
    page = site.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with site.provider.running():
        site.sign_in(page, "anna", "/jobs?project=default")
        page.wait_for_url(f"{site.pages}/jobs?project=default")
        expect(page.get_by_text("anna", exact=True)).to_be_visible()
        assert site.me(page) == "anna"
        cookies = {one["name"]: one for one in page.context.cookies(site.pages)}
        session = cookies["segloop_session"]
        assert session["httpOnly"] and session["sameSite"] == "Lax" and "segloop_sign_in" not in cookies
        assert not any("eyJ" in one["value"] or "sgs_" in one["value"] for one in cookies.values())
        assert not re.search("eyJ|sgs_|code=|segloop_session", kept_by(page))
        assert not any("eyJ" in url for url in asked)

        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Yes, sign me out").click()
        page.wait_for_url(f"{site.pages}/signed-out")
        expect(page.get_by_text("You are signed out.")).to_be_visible()
        assert "segloop_session" not in {one["name"] for one in page.context.cookies(site.pages)}
        # Who kept the cookie has nothing of it, and the provider asks for the name again.
        page.context.add_cookies([{"name": "segloop_session", "value": session["value"], "url": site.pages}])
        assert site.me(page) == "401"
        page.context.clear_cookies(name="segloop_session")
        site.sign_in(page, "anna")
        page.wait_for_url(re.compile(f"{site.pages}/(\\?project=default)?$"))
        assert site.me(page) == "anna"
    events = [
        (one["action"], one["detail"].get("by"))
        for one in site.call("GET", "/v1/audit", params={"by": "anna"})["items"]
    ]
    assert events[::-1] == [
        ("person.bound", "oidc"),
        ("session.begun", "oidc"),
        ("session.ended", None),
        ("session.begun", "oidc"),
    ]
    logged = site.logged()
    assert "/sign-in/callback" in logged
    codes = {httpx.URL(url).params.get("code", "") for url in asked} - {""}
    assert codes and not any(code in logged for code in codes)
    assert not re.search(f"eyJ|sgs_|{npm_provider.CLIENT_SECRET}|{TOKEN}", logged)


def test_who_was_not_added_or_not_logged_in_is_told_what_to_do(site: Site) -> None:
    page = site.new_page()
    with site.provider.running():
        site.sign_in(page, "zoe")
        expect(page.get_by_text("Nobody has added you here")).to_contain_text(
            "Ask the radiology IT to add you"
        )
        assert "segloop_session" not in {one["name"] for one in page.context.cookies(site.pages)}
        assert site.me(page) == "401"
        # Though the provider knows her, she is asked anew and comes in as somebody else.
        site.add("zora")
        page.get_by_role("link", name="Use another account").click()
        page.get_by_label("Name").fill("zora")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        assert site.me(page) == "zora"
        site.add("unverified")
        other = site.new_page()
        site.sign_in(other, "unverified")
        expect(other.get_by_text("gives no verified e-mail address")).to_be_visible()
        third = site.new_page()
        site.sign_in(third, "")  # the provider's own refusal
        expect(third.get_by_text("did not sign you in (access_denied)")).to_be_visible()
        # An answer that this browser didn't ask for, such as one that somebody else sent.
        third.goto(f"{site.pages}/sign-in/callback?code=stolen&state=made-up")
        expect(third.get_by_text("was not begun in this browser")).to_be_visible()
    codes = {
        one["detail"]["code"]
        for one in site.call("GET", "/v1/audit", params={"action": "access.refused"})["items"]
    }
    assert {"person_not_added", "email_not_verified"} <= codes


def test_a_session_ends_by_time_and_who_is_removed_or_switched_off_is_out_at_once(site: Site) -> None:
    site.add("bea")
    page = site.new_page()
    with site.provider.running():
        site.sign_in(page, "bea")
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        assert site.me(page) == "bea"
        site.as_owner("UPDATE sessions SET expires_at = now() - interval '1 s'")
        assert site.me(page) == "401"
        page.reload()
        # She is logged in at the provider still: one click.
        page.get_by_role("link", name="Sign in again").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        assert site.me(page) == "bea"
        site.call("DELETE", "/v1/projects/default/members/bea")
        assert page.request.get(f"{site.pages}/api/v1/projects/default").status == 404
        page.reload()
        expect(page.get_by_text("No project yet")).to_be_visible()
        site.call("PATCH", "/v1/people/bea", json={"is_on": False})
        assert site.me(page) == "401"
        page.goto(f"{site.pages}/sign-in")
        expect(page.get_by_text("You are switched off here. Ask the radiology IT.")).to_be_visible()


def test_after_the_providers_keys_changed_people_come_in_and_while_it_is_away_they_are_told(
    site: Site,
) -> None:
    site.add("cleo")
    for is_changed in (False, True):  # the second time the API knows the old key only
        if is_changed:
            site.provider.change_keys()
        with site.provider.running():
            page = site.new_page()
            site.sign_in(page, "cleo")
            expect(page.get_by_role("button", name="Sign out")).to_be_visible()
            assert site.me(page) == "cleo"
    page.get_by_role("button", name="Sign out").click()  # without the provider
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    assert site.me(page) == "401"
    answer = page.goto(f"{site.pages}/sign-in?to=/jobs")
    assert answer is not None and answer.status == 503
    expect(page.get_by_text("The identity provider can't be reached. Try again in a minute")).to_be_visible()
    assert page.get_by_role("link", name="Try again").get_attribute("href") == "/sign-in"
    expect(page.get_by_text("./segloop admin link")).to_be_visible()
