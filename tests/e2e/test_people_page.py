"""Two people of two projects, let in, watched and shut out on the page People: each sees only what is theirs."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, TimeoutError, expect
from sqlalchemy import text

from segloop.database import open_engine, transaction
from segloop.stack import state
from segloop.stack.bench_viewer import sign_in
from tests.dicom_series import slices, voxels, write, zipped
from tests.e2e.test_accounts_page import browse

LABELS = [{"index": 1, "name": "lung"}]
NOT_HERE = "The CT of this address is not here."


def send(api: httpx.Client, folder: Path, project: str, case: str, seed: int) -> dict[str, Any]:
    files = write(folder / case, slices(voxels(seed=seed), seed=case))
    body = zipped(folder / f"{case}.zip", files).read_bytes()
    made = api.post(f"/v1/projects/{project}/uploads", json={"size_bytes": len(body), "case_reference": case})
    upload = made.json()
    assert upload["n_parts"] == 1
    assert api.put(f"/v1/uploads/{upload['id']}/parts/1", content=body).status_code == 200
    volume: dict[str, Any] = api.post(f"/v1/uploads/{upload['id']}/complete").json()
    return volume


def segment(api: httpx.Client, volume: dict[str, Any]) -> str:
    body = {"kind": "segment", "project_id": volume["project_id"], "input": {"volume_id": volume["id"]}}
    job = api.post("/v1/jobs", json=body).json()
    end = time.monotonic() + 300
    while job["state"] != "succeeded":
        assert job["state"] in ("queued", "running") and time.monotonic() < end, job
        job = api.get(f"/v1/jobs/{job['id']}", params={"wait": 30}, timeout=60).json()
    return str(job["mask_id"])


def part(page: Page, name: str) -> None:
    page.get_by_test_id("stButtonGroup").get_by_text(name, exact=True).click()


def open_popover(button: Locator, inside: Locator) -> None:
    """Open a popover; one that a page which is still being drawn closes again is opened once more."""
    expect(inside).to_have_count(0, timeout=30_000)  # the one before is gone
    for _ in range(8):
        expect(button).to_have_count(
            1, timeout=30_000
        )  # a page that is being drawn shows the row before beside the new one
        button.click()
        try:
            inside.wait_for(timeout=5_000)
            inside.page.wait_for_timeout(500)
        except TimeoutError:
            continue
        if inside.is_visible():
            return
    raise AssertionError("it did not stay open")


def add_person(page: Page, name: str) -> None:
    box = page.get_by_placeholder("anna.moser")
    open_popover(page.get_by_role("button", name="Add a person"), box)
    box.fill(name)
    page.keyboard.press("Enter")
    page.get_by_test_id("stPopoverBody").get_by_role("button", name="Add").click()
    expect(page.get_by_text(f"{name} is added")).to_be_visible(timeout=30_000)


def add_member(page: Page, name: str, role: str) -> None:
    body = page.get_by_test_id("stPopoverBody")
    open_popover(page.get_by_role("button", name="Add a member"), body)
    for box, option in (("Name", name), ("Role", role)):
        body.get_by_role("combobox", name=box).click()
        page.get_by_role("option", name=option, exact=True).click()
    body.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text(f"{name} is {role.lower()}.")).to_be_visible(timeout=30_000)


def choose_project(page: Page, name: str) -> None:
    page.get_by_role("combobox", name="Project").click()
    page.get_by_role("option", name=name, exact=True).click()


def row_of(page: Page, name: str) -> Any:
    return page.get_by_test_id("stHorizontalBlock").filter(has=page.get_by_text(name, exact=True)).last


def copied(page: Page) -> str:
    """Return what is shown this once, and make sure that it isn't shown again."""
    shown = page.get_by_role("dialog").get_by_test_id("stCode")
    value = shown.inner_text(timeout=30_000).strip()
    page.get_by_role("button", name="I have copied it").click()
    expect(shown).to_have_count(0)
    return value.replace("\n", "")


@pytest.fixture
def owner(home: Path) -> Callable[[str], None]:
    """Runs a statement as the owner of the tables."""

    def run(statement: str) -> None:
        engine = open_engine(state.environment(home)["SEGLOOP_OWNER_DATABASE_URL"])
        with transaction(engine) as conn:
            conn.execute(text(statement))
        engine.dispose()

    return run


@pytest.mark.timeout(900)
def test_two_people_see_only_what_is_theirs_and_lose_it_at_once(
    home: Path, page: Page, api: httpx.Client, owner: Callable[[str], None], tmp_path: Path
) -> None:
    assert (
        api.post("/v1/projects", json={"slug": "south", "name": "South", "labels": LABELS}).status_code == 201
    )
    north = send(api, tmp_path, "default", "north-1", 61)
    south = send(api, tmp_path, "south", "south-1", 62)
    mask_id = segment(api, north)

    # An admin lets both in, on the page.
    page.get_by_role("link", name="People").click()
    part(page, "All people")
    for name in ("ute", "udo"):
        add_person(page, name)
    part(page, "Members")
    add_member(page, "ute", "Viewer")
    choose_project(page, "South")
    expect(page.get_by_text("0 members of South")).to_be_visible(timeout=30_000)
    add_member(page, "udo", "Admin")
    part(page, "All people")
    browser: Browser = page.context.browser  # type: ignore[assignment]
    ute, udo = (browser.new_context().new_page() for _ in range(2))
    for one, name in ((ute, "ute"), (udo, "udo")):
        row_of(page, name).get_by_role("button", name="Sign-in link").click()
        sign_in(one, copied(page))
        assert f'"name":"{name}"' in browse(one, "/api/v1/me")[1]
    root = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))

    # Each one's worklist has their own case; there is nothing to choose from.
    for one, own, other in ((ute, "north-1", "south-1"), (udo, "south-1", "north-1")):
        expect(one.get_by_text(own)).to_be_visible(timeout=60_000)
        one.get_by_placeholder("Search by case reference").fill(other)
        one.keyboard.press("Enter")
        expect(one.get_by_text("No case matches.")).to_be_visible(timeout=30_000)
        expect(one.get_by_text(other)).to_have_count(0)
        expect(one.get_by_role("combobox", name="Project")).to_have_count(0)
    expect(ute.get_by_text("Head and neck", exact=True)).to_be_visible()
    expect(udo.get_by_text("South", exact=True)).to_be_visible()
    expect(udo.get_by_text("New CT", exact=True)).to_be_visible()
    expect(ute.get_by_text("New CT", exact=True)).to_have_count(0)

    # Addresses of the other's case, also on the wire, say what those of none say.
    nothing = "00000000-0000-0000-0000-000000000000"
    for one, foreign in ((ute, south["id"]), (udo, north["id"])):
        for volume_id in (foreign, nothing):
            one.goto(f"{root}/segment?volume={volume_id}")
            expect(one.get_by_text(NOT_HERE)).to_be_visible(timeout=60_000)
            one.goto(f"{root}/compare?volume={volume_id}")
            expect(one.get_by_text("volume_unknown")).to_be_visible(timeout=60_000)
            for what in ("", "/content", "/thumbnail", "/masks", "/levels/0"):
                assert browse(one, f"/api/v1/volumes/{volume_id}{what}")[0] == 404
    for one, slug in ((ute, "south"), (udo, "default"), (ute, "never-made")):
        one.goto(f"{root}/?project={slug}")
        expect(one.get_by_text("There is no project of this address")).to_be_visible(timeout=60_000)
        assert browse(one, f"/api/v1/projects/{slug}/worklist")[0] == 404
    assert browse(udo, f"/api/v1/masks/{mask_id}/content")[0] == 404

    # A viewer looks at the mask, and finds nothing that could only fail.
    ute.goto(f"{root}/segment?volume={north['id']}")
    expect(ute.get_by_role("button", name="Download mask")).to_be_visible(timeout=60_000)
    expect(ute.get_by_text("brainstem").first).to_be_visible(timeout=60_000)
    for name in ("Edit this mask", "Segment again", "Add a mask", "Feedback"):
        expect(ute.get_by_role("button", name=name)).to_have_count(0)
    post = "path => fetch(path, {method: 'POST', headers: {'content-type': 'application/json'}, body: '{}'}).then(a => a.status)"
    assert ute.evaluate(post, f"/api/v1/volumes/{north['id']}/drafts") == 403
    ticket = ute.evaluate(
        "path => fetch(path, {method: 'POST'}).then(a => a.json())", f"/api/v1/masks/{mask_id}/ticket"
    )["ticket"]
    content = f"{api.base_url}/v1/masks/{mask_id}/content?ticket={ticket}"
    assert httpx.get(content).status_code == 200
    for name, says in (("people", "is for its admins"), ("audit", "is for its admins")):
        expect(ute.get_by_role("link", name=name.capitalize())).to_have_count(0)
        ute.goto(f"{root}/{name}")
        expect(ute.get_by_text(says)).to_be_visible(timeout=60_000)
    expect(udo.get_by_role("link", name="People")).to_have_count(
        0
    )  # on the page that says there is no such project
    udo.goto(f"{root}/people")
    expect(udo.get_by_text("1 member of South")).to_be_visible(timeout=60_000)

    # A key of the page works until it is over, and until it is revoked.
    udo.get_by_test_id("stButtonGroup").get_by_text("API keys", exact=True).click()
    keys = {}
    for name in ("brief", "short"):
        box = udo.get_by_placeholder("pacs")
        open_popover(udo.get_by_role("button", name="New key"), box)
        box.fill(name)
        udo.keyboard.press("Enter")
        udo.get_by_role("button", name="Make the key").click()
        keys[name] = copied(udo)
        assert keys[name].startswith("sgk_")
        assert asks(api, keys[name], "south") == 200
        assert asks(api, keys[name], "default") == 404
    udo.reload()
    udo.get_by_test_id("stButtonGroup").get_by_text("API keys", exact=True).click()
    expect(row_of(udo, "brief")).to_contain_text(re.compile(r"\d+ s ago"), timeout=60_000)
    owner("UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE name = 'brief'")
    assert asks(api, keys["brief"], "south") == 401
    revoke = udo.get_by_role("button", name="Revoke this key")
    open_popover(row_of(udo, "short").get_by_role("button", name="Revoke"), revoke)
    revoke.click()
    expect(udo.get_by_text("Ended (2)")).to_be_visible(timeout=60_000)
    assert asks(api, keys["short"], "south") == 401

    # Who is no member any more is out with the next click, and so is what they had a ticket for; an open page says so by itself.
    ute.goto(root)
    expect(ute.get_by_text("north-1")).to_be_visible(timeout=60_000)
    part(page, "Members")
    choose_project(page, "Head and neck")
    remove = page.get_by_role("button", name="Remove from the project")
    open_popover(row_of(page, "ute").get_by_role("button", name="Change"), remove)
    remove.click()
    expect(page.get_by_text("ute is no member any more")).to_be_visible(timeout=30_000)
    assert browse(ute, "/api/v1/projects/default")[0] == 404
    assert httpx.get(content).status_code == 404
    expect(ute.get_by_text("a member of no project")).to_be_visible(timeout=60_000)
    expect(ute.get_by_text("project_unknown")).to_have_count(0)
    ute.goto(f"{root}/segment?volume={north['id']}")
    expect(ute.get_by_text("a member of no project")).to_be_visible(timeout=60_000)

    # All of it is on record: what was done, and what was refused.
    page.get_by_role("link", name="Audit").click()
    table = page.get_by_test_id("stDataFrame")
    parts = {"access": "Refused", "session": "Sign-ins", "key": "People, keys"}
    for who, found in (("ute", "access.refused"), ("ute", "session.begun"), ("udo", "key.revoked")):
        page.get_by_placeholder("By whom").fill(who)
        page.keyboard.press("Enter")
        part(page, parts[found.partition(".")[0]])
        expect(table).to_contain_text(found, timeout=60_000)
    page.get_by_placeholder("By whom").fill("admin")
    page.keyboard.press("Enter")
    for found in ("person.created", "member.saved", "member.removed", "link.created"):
        expect(table).to_contain_text(found, timeout=60_000)
    # An admin of a project sees what was done in it, and nothing of another.
    udo.get_by_role("link", name="Audit").click()
    expect(udo.get_by_test_id("stDataFrame")).to_contain_text("key.revoked", timeout=60_000)
    expect(udo.get_by_test_id("stDataFrame")).not_to_contain_text(north["id"])
    # Who looked for its CT, and typed the project's address, is on its record; so are the keys that were over.
    part(udo, "Refused")
    shown = udo.get_by_test_id("stDataFrame")
    for told in (
        "ute",
        "project south",
        "GET /projects/{project}; ",
        "key:brief@south",
        "its key had expired",
        south["id"],
    ):
        expect(shown).to_contain_text(told, timeout=60_000)
    udo.get_by_placeholder("Id of a CT, mask or job").fill(south["id"])
    udo.keyboard.press("Enter")
    expect(shown).not_to_contain_text("key:brief@south", timeout=60_000)
    expect(shown).to_contain_text("not theirs, so it was called absent")
    screenshots(udo, tmp_path, "audit-refused")

    # Signed out everywhere by a site admin.
    page.get_by_role("link", name="People").click()
    part(page, "All people")
    end = page.get_by_role("button", name="End all sessions")
    open_popover(row_of(page, "udo").get_by_role("button", name="Change"), end)
    end.click()
    expect(page.get_by_text("udo is signed out everywhere")).to_be_visible(timeout=30_000)
    assert browse(udo, "/api/v1/me")[0] == 401


def screenshots(page: Page, folder: Path, name: str) -> None:
    for width, height in ((1440, 900), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(1_000)
        page.screenshot(path=folder / f"{name}-{width}x{height}.png")


def asks(api: httpx.Client, key: str, project: str) -> int:
    """Return what a key gets when it asks for a project."""
    return api.get(f"/v1/projects/{project}", headers={"Authorization": f"Bearer {key}"}).status_code
