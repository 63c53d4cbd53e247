"""Nothing that was drawn is lost, whatever dies: the tab, the API, the network, a sign-in, an answer on its way."""

import logging
import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, TimeoutError

from segloop.stack import state
from segloop.stack.bench_viewer import sign_in
from tests.e2e.drawing import Drawing, draw_on_nothing, grid_of, origin, upload

pytestmark = pytest.mark.browser
ENTRIES = "**/entries/*"
KEPT = """draft => new Promise((resolve, reject) => {
  const opened = indexedDB.open('segloop', 1)
  opened.onerror = () => reject(opened.error)
  opened.onsuccess = () => {
    const all = opened.result.transaction('entries').objectStore('entries').getAll()
    all.onsuccess = () => resolve(all.result.filter(one => one.draft === draft).map(one => one.sequence))
  }
})"""
"""Returns the places in a draft of the entries that a browser keeps."""
N_EVENTS = int(os.environ.get("SEGLOOP_TEST_DEATHS", "8"))


def away(route: Route) -> None:
    route.abort()


def answer_lost(route: Route) -> None:
    """The API stores the entry, and nobody hears of it."""
    route.fetch()
    route.abort()


def kill_api(home: Path) -> None:
    """Kill -9 the API's process; the supervisor starts another."""
    supervisor = state.read(home).supervisor
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == supervisor and any(b"services.api.main" in word for word in words):
            os.kill(int(folder.name), signal.SIGKILL)
            return
    raise AssertionError("There is no API to kill.")


class Life:
    """One person's draft over many deaths of whatever it depends on."""

    def __init__(self, page: Page, home: Path, seed: int) -> None:
        self.page, self.home = page, home
        self.random = random.Random(seed)
        self.drawing: Drawing | None = None

    def draw(self) -> None:
        assert self.drawing is not None
        label, name = self.random.choice([(5, "mandible"), (6, "larynx"), (1, "brainstem")])
        x, y, z = self.random.randrange(4, 26), self.random.randrange(4, 26), self.random.randrange(2, 22)
        self.drawing.choose("Brush", name)
        self.drawing.stroke("axial", (x, y, z), (x + self.random.randrange(6), y, z), label)

    def reopen(self) -> None:
        """Open the case in another tab of the same browser, as after a crash."""
        assert self.drawing is not None
        address, context = self.page.url, self.page.context
        self.page.close()
        self.page = context.new_page()
        self.page.goto(address)
        self.page.get_by_role("button", name="Go on editing").click(timeout=60_000)
        self.drawing.page = self.page
        self.drawing.wait()

    # What may happen; each is followed by strokes, and then by a look at every voxel.

    def tab_crashes_while_offline(self) -> None:
        self.page.route(ENTRIES, away)
        for _ in range(self.random.randrange(1, 4)):
            self.draw()
        self.page.wait_for_timeout(300)  # the browser's own store is quick, yet not instant
        self.reopen()

    def tab_crashes_when_saved(self) -> None:
        self.draw()
        self.page.locator("[data-state=saved]").wait_for(timeout=20_000)
        self.reopen()

    def network_goes_and_comes(self) -> None:
        self.page.route(ENTRIES, away)
        self.draw()
        self.draw()
        self.page.locator("[data-state=offline]").wait_for(timeout=15_000)
        self.page.unroute(ENTRIES, away)

    def answer_gets_lost(self) -> None:
        self.page.route(ENTRIES, answer_lost, times=2)
        self.draw()
        self.draw()

    def answer_gets_lost_and_tab_crashes(self) -> None:
        self.page.route(ENTRIES, answer_lost)
        self.draw()
        self.page.wait_for_timeout(self.random.randrange(100, 900))
        self.reopen()

    def api_dies(self) -> None:
        self.draw()
        kill_api(self.home)
        self.draw()

    def sign_in_ends(self) -> None:
        kept = self.page.context.cookies()
        self.page.context.clear_cookies()
        self.draw()
        self.page.locator("[data-state=signed_out]").wait_for(timeout=15_000)
        self.page.context.add_cookies(kept)  # type: ignore[arg-type]

    def undo(self) -> None:
        assert self.drawing is not None
        self.draw()
        self.drawing.undo()


def test_nothing_is_lost_whatever_dies(page: Page, home: Path, api: httpx.Client) -> None:
    seed = int(os.environ.get("SEGLOOP_TEST_SEED", "7"))
    volume_id = upload(api, grid_of("LPS"), seed=31)
    life = Life(page, home, seed)
    life.drawing = draw_on_nothing(page, volume_id)
    events: list[Callable[[], None]] = [
        life.tab_crashes_while_offline,
        life.network_goes_and_comes,
        life.answer_gets_lost_and_tab_crashes,
        life.api_dies,
        life.sign_in_ends,
        life.answer_gets_lost,
        life.tab_crashes_when_saved,
        life.undo,
    ]
    life.random.shuffle(events)
    for number in range(N_EVENTS):
        event = events[number % len(events)]
        logging.getLogger(__name__).info("seed %d, event %d: %s", seed, number, event.__name__)
        life.draw()
        event()
        life.draw()
        life.drawing.page.locator("[data-state=saved]").wait_for(timeout=60_000)
        life.drawing.check()
    life.reopen()
    life.drawing.check()


def test_strokes_of_a_dead_tab_join_what_was_drawn_elsewhere_since(
    page: Page, home: Path, api: httpx.Client
) -> None:
    volume_id = upload(api, grid_of("RAS"), seed=32)
    drawing = draw_on_nothing(page, volume_id)
    drawing.choose("Brush", "mandible")
    drawing.stroke("axial", (8, 8, 6), (12, 8, 6), 5)
    page.locator("[data-state=saved]").wait_for(timeout=20_000)
    page.route(ENTRIES, away)
    drawing.stroke("axial", (8, 8, 12), (12, 8, 12), 5)
    page.wait_for_timeout(500)

    with page.context.browser.new_context() as context:  # type: ignore[union-attr]
        other = context.new_page()
        sign_in(other, state.new_link(home))
        other.goto(page.url)
        other.get_by_role("button", name="Go on editing").click(timeout=30_000)
        elsewhere = Drawing(other)
        elsewhere.choose("Brush", "larynx")
        elsewhere.stroke("axial", (10, 8, 18), (14, 8, 18), 6)
        other.locator("[data-state=saved]").wait_for(timeout=20_000)

    page.unroute(ENTRIES, away)
    page.locator("[data-state=conflict]").wait_for(timeout=20_000)
    address = page.url
    page.close()
    again = page.context.new_page()
    again.goto(address)
    again.get_by_role("button", name="Go on editing").click(timeout=30_000)
    drawing.page = again
    drawing.wait()
    drawing.expected |= elsewhere.expected
    drawing.check()


def test_strokes_that_missed_their_draft_are_offered_to_the_next(
    page: Page, home: Path, api: httpx.Client
) -> None:
    volume_id = upload(api, grid_of("LPS"), seed=33)
    drawing = draw_on_nothing(page, volume_id)
    drawing.choose("Brush", "mandible")
    drawing.stroke("axial", (8, 8, 6), (12, 8, 6), 5)
    page.locator("[data-state=saved]").wait_for(timeout=20_000)
    page.route(ENTRIES, away)
    drawing.stroke("axial", (8, 8, 12), (12, 8, 12), 5)
    drawing.stroke("axial", (20, 8, 12), (24, 8, 12), 5)
    page.wait_for_timeout(500)
    (draft,) = api.get(f"/v1/volumes/{volume_id}/drafts").json()["items"]
    # By the same person from elsewhere: nobody else may.
    pages = "/".join(page.url.split("/")[:3])
    address = f"{pages}/api/v1/drafts/{draft['id']}/finalize"
    assert page.context.request.post(address, data=draft["head"], headers={"Origin": pages}).ok
    page.unroute(ENTRIES, away)
    page.locator("[data-state=closed]").wait_for(timeout=20_000)

    page.reload()
    page.get_by_role("button", name="Edit this mask").click(timeout=30_000)
    drawing.wait()
    question = page.get_by_role("dialog", name="2 of your strokes were never saved")
    question.wait_for(timeout=10_000)
    question.get_by_role("button", name="Add them to this edit").click()
    drawing.check()
    drawing.reload()
    drawing.check()
    assert page.get_by_role("dialog").count() == 0  # they are not offered twice
    drawing.undo()  # as strokes of their own
    drawing.check()


def test_whoever_is_removed_while_editing_is_told_so_and_keeps_every_stroke(
    page: Page, home: Path, api: httpx.Client
) -> None:
    """The whole way: a stroke is refused, Finalize ends, the strokes stay in the browser, and are sent when access is back."""
    member = "/v1/projects/default/members/nora"
    assert api.post("/v1/people", json={"name": "nora"}).status_code == 201
    assert api.put(member, json={"role": "annotator", "permissions": []}).is_success
    volume_id = upload(api, grid_of("RAS"), seed=34)
    with page.context.browser.new_context(viewport={"width": 1440, "height": 900}) as context:  # type: ignore[union-attr]
        theirs = context.new_page()
        sign_in(theirs, state.new_link(home, "nora"))
        drawing = draw_on_nothing(theirs, volume_id)
        drawing.choose("Brush", "mandible")
        drawing.stroke("axial", (8, 8, 6), (12, 8, 6), 5)
        theirs.locator("[data-state=saved]").wait_for(timeout=20_000)
        (draft,) = api.get(f"/v1/volumes/{volume_id}/drafts").json()["items"]

        # Others see who is at work before they begin, and are not offered to go on with what is another's.
        page.goto(f"{origin(page)}/segment?volume={volume_id}")
        page.get_by_text("At work on this CT: nora").wait_for(timeout=60_000)
        page.get_by_role("button", name="Draw a mask").wait_for(timeout=20_000)

        assert api.delete(member).status_code == 204
        drawing.stroke("axial", (8, 8, 12), (12, 8, 12), 5)
        refused = theirs.locator("[data-state=no_access]")
        refused.wait_for(timeout=20_000)
        told = theirs.get_by_role("dialog", name="You may not edit here any more")
        assert "One change that is not saved yet is kept in this browser" in told.inner_text(timeout=10_000)
        theirs.get_by_role("button", name="Finalize").click()
        theirs.get_by_role("dialog").get_by_role("button", name="Nothing yet").click()
        theirs.get_by_text("No new version was made.").wait_for(timeout=20_000)
        told.wait_for(timeout=20_000)
        assert theirs.get_by_role("button", name="Finalize").is_enabled()
        assert theirs.get_by_role("button", name="Undo").is_enabled()
        drawing.check()
        assert theirs.evaluate(KEPT, draft["id"]) == [2]

        # The page is lost, too, and opened again by somebody who is no member still.
        theirs.reload()
        theirs.get_by_text("a member of no project").wait_for(timeout=60_000)
        assert theirs.evaluate(KEPT, draft["id"]) == [2]
        assert api.put(member, json={"role": "annotator", "permissions": []}).is_success
        theirs.goto(f"{origin(page)}/segment?volume={volume_id}")
        theirs.get_by_role("button", name="Go on editing").click(timeout=60_000)
        drawing.wait()
        drawing.check()

        # With less than an annotator's role it is the same, and one who is let in again goes on where they are.
        assert api.put(member, json={"role": "viewer", "permissions": []}).is_success
        drawing.choose("Brush", "larynx")
        drawing.stroke("axial", (20, 8, 12), (24, 8, 12), 6)
        refused.wait_for(timeout=20_000)
        assert api.put(member, json={"role": "annotator", "permissions": []}).is_success
        with suppress(
            TimeoutError
        ):  # what was on its way when they were let in again may have closed it already
            told.get_by_role("button", name="Try again").click(timeout=10_000)
        theirs.locator("[data-state=saved]").wait_for(timeout=20_000)
        told.wait_for(state="hidden", timeout=20_000)
        drawing.stroke("axial", (20, 8, 18), (24, 8, 18), 6)
        theirs.locator("[data-state=saved]").wait_for(timeout=20_000)
        drawing.check()
        assert theirs.evaluate(KEPT, draft["id"]) == []

        # With nothing left to send, only Finalize meets it.
        assert api.delete(member).status_code == 204
        theirs.get_by_role("button", name="Finalize").click()
        theirs.get_by_role("dialog").get_by_role("button", name="Nothing yet").click()
        theirs.get_by_text("You may not edit here any more. You are no longer").wait_for(timeout=20_000)
        assert theirs.get_by_role("button", name="Finalize").is_enabled()
    assert api.get(f"/v1/drafts/{draft['id']}").json()["head"]["sequence"] == 4
