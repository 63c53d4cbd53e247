"""People in the browser: a link signs in whom it was made for, what they do is theirs, and who is switched off is out."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, expect

from segloop.stack import state
from segloop.stack.bench_viewer import sign_in
from tests.conftest import ROOT


def segloop(home: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEGLOOP_")}
    command = [sys.executable, "-m", "segloop.cli", "admin", *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"SEGLOOP_HOME": str(home)},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def browse(page: Page, path: str) -> tuple[int, str]:
    """Ask for something as the page's own scripts do: with the browser's cookie and nothing else."""
    found = page.evaluate("path => fetch(path).then(async a => [a.status, await a.text()])", path)
    return int(found[0]), str(found[1])


def test_two_people_of_two_projects_see_what_is_theirs_and_one_is_switched_off(
    home: Path, page: Page, api: httpx.Client
) -> None:
    made = api.post("/v1/projects", json={"slug": "second", "name": "Second"})
    assert made.status_code == 201, made.text
    segloop(home, "people", "add", "vera")
    segloop(home, "members", "set", "vera", "viewer")
    segloop(home, "people", "add", "wim")
    segloop(home, "members", "set", "wim", "admin", "--project", "second")
    assert '"name":"admin"' in browse(page, "/api/v1/me")[1]

    browser: Browser = page.context.browser  # type: ignore[assignment]
    vera, wim = (browser.new_context().new_page() for _ in range(2))
    for one, name in ((vera, "vera"), (wim, "wim")):
        sign_in(one, state.new_link(home, name))
        assert f'"name":"{name}"' in browse(one, "/api/v1/me")[1]
        assert "segloop_session" not in one.evaluate("document.cookie")
    assert browse(vera, "/api/v1/projects/default")[0] == 200
    assert browse(vera, "/api/v1/projects/second")[0] == 404
    assert browse(wim, "/api/v1/projects/second")[0] == 200
    assert browse(wim, "/api/v1/projects/default")[0] == 404
    expect(vera.get_by_text("Worklist").first).to_be_visible()

    segloop(home, "people", "off", "vera")
    assert browse(vera, "/api/v1/me")[0] == 401
    vera.reload()
    expect(vera.get_by_text("You are signed out.")).to_be_visible()
    assert "switched off" in segloop(home, "people", "list")


def test_a_key_made_by_command_works_until_it_is_revoked(home: Path, api: httpx.Client) -> None:
    key = segloop(home, "keys", "add", "script", "--role", "viewer").splitlines()[0]
    signed = {"Authorization": f"Bearer {key}"}
    assert api.get("/v1/projects/default", headers=signed).status_code == 200
    line = next(line for line in segloop(home, "keys", "list").splitlines() if "key:script@default" in line)
    assert "never" not in line
    segloop(home, "keys", "revoke", line.split()[0])
    assert api.get("/v1/projects/default", headers=signed).status_code == 401
