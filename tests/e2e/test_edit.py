"""Editing in a real browser: exactly the drawn voxels change, in every plane and orientation, and nothing is lost."""

import gzip
from typing import Any

import httpx
import nibabel
import numpy as np
import pytest
from playwright.sync_api import Page

from segloop.imaging.geometry import reorient
from tests.e2e.drawing import Drawing, draw_on_nothing, grid_of, origin, upload, values_of

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SAL", "ASR", "IPL"])
def test_exactly_the_drawn_voxels_change(page: Page, api: httpx.Client, codes: str) -> None:
    geometry = grid_of(codes)
    volume_id = upload(api, geometry, seed=sum(map(ord, codes)))
    drawing = draw_on_nothing(page, volume_id)
    drawing.choose("Brush", "mandible")
    drawing.stroke("axial", (10, 8, 12), (22, 8, 12), 5)
    drawing.stroke("coronal", (18, 20, 5), (18, 20, 17), 5)
    drawing.choose("Brush", "larynx")
    drawing.stroke("sagittal", (30, 12, 10), (30, 22, 10), 6)
    drawing.check()
    redone = drawing.undo()
    drawing.check()
    page.get_by_role("button", name="Redo").click()
    drawing.past.append(drawing.expected)
    drawing.expected = redone
    drawing.choose("Erase")
    drawing.stroke("axial", (16, 8, 12), (18, 8, 12), 0)
    drawing.check()

    drawing.reload()
    drawing.check()
    drawing.undo()  # also what was done before the reload
    drawing.check()

    page.get_by_role("button", name="Finalize").click()
    page.get_by_role("dialog").get_by_role("button", name="Whole volume").click()
    page.get_by_text("Download mask").wait_for(timeout=30_000)
    (mask,) = api.get(f"/v1/volumes/{volume_id}/masks").json()["items"]
    assert mask["kind"] == "correction"
    assert mask["reviewed"]["whole"] is True
    content = api.get(f"/v1/masks/{mask['id']}/content").content
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(content))
    assert np.allclose(image.affine, geometry.affine, atol=1e-4)
    stored, _ = reorient(np.asarray(image.dataobj), geometry, "RAS")  # type: ignore[attr-defined]
    assert np.array_equal(stored, drawing.expected)


def test_a_stroke_given_up_with_escape_leaves_no_trace_and_no_damage(page: Page, api: httpx.Client) -> None:
    volume_id = upload(api, grid_of("RAS"), seed=3)
    drawing = draw_on_nothing(page, volume_id)
    drawing.choose("Brush", "larynx")
    start = drawing.viewer.evaluate("root => root.segloop.pointOf(0, [10, 8, 12])")
    drawing.viewer.evaluate("root => root.segloop.setCrosshair(10, 8, 12)")
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + 20, start[1], steps=3)
    page.keyboard.press("Escape")
    page.mouse.up()
    drawing.check()
    drawing.choose("Brush", "larynx")
    drawing.stroke("axial", (10, 8, 12), (14, 8, 12), 6)
    drawing.reload()
    drawing.check()


def test_resume_goes_on_in_the_editor_where_it_stopped(page: Page, api: httpx.Client) -> None:
    volume_id = upload(api, grid_of("LPS"), seed=6)
    drawing = draw_on_nothing(page, volume_id)
    drawing.choose("Brush", "larynx")
    drawing.stroke("axial", (10, 8, 12), (14, 8, 12), 6)
    page.locator("[data-state=saved]").wait_for(timeout=10_000)
    page.goto(origin(page))
    page.get_by_role("button", name="Resume").click(timeout=30_000)
    drawing.wait()
    drawing.check()
    drawing.undo()
    drawing.check()


def test_a_finalized_correction_takes_feedback_with_what_it_cost(page: Page, api: httpx.Client) -> None:
    volume_id = upload(api, grid_of("LPS"), seed=2)
    drawing = draw_on_nothing(page, volume_id)
    drawing.choose("Brush", "larynx")
    drawing.stroke("axial", (10, 8, 12), (14, 8, 12), 6)
    page.wait_for_timeout(2000)
    page.get_by_role("button", name="Slice reviewed").click()
    drawing.reload()
    drawing.viewer.evaluate("root => root.segloop.setCrosshair(10, 8, 5)")
    page.get_by_role("button", name="Slice reviewed").click()
    page.get_by_role("button", name="Finalize").click()
    page.get_by_role("button", name="Feedback").click(timeout=30_000)
    page.get_by_role("textbox", name="Notes").fill("lower pole")
    page.get_by_role("button", name="Submit feedback").click()
    page.get_by_text("Feedback stored").wait_for(timeout=20_000)
    (given,) = api.get(f"/v1/volumes/{volume_id}/feedback").json()["items"]
    assert (given["verdict"], given["notes"]) == ("corrected", "lower pole")
    assert given["voxels_changed"] == int((drawing.expected > 0).sum())
    assert sorted(given["reviewed"]["axial"]) == [[5, 5], [12, 12]]
    assert given["active_time_s"] >= 2  # what was worked before the reload counts


def test_strokes_made_while_the_api_is_away_are_saved_when_it_is_back(page: Page, api: httpx.Client) -> None:
    volume_id = upload(api, grid_of("RAS"), seed=1)
    drawing = draw_on_nothing(page, volume_id)
    drawing.choose("Brush", "brainstem")
    away: Any = lambda route: route.abort()  # noqa: E731
    page.route("**/entries/**", away)
    drawing.stroke("axial", (10, 8, 12), (14, 8, 12), 1)
    drawing.stroke("axial", (20, 8, 12), (24, 8, 12), 1)
    page.locator("[data-state=offline]").wait_for(timeout=10_000)
    page.unroute("**/entries/**", away)
    page.locator("[data-state=saved]").wait_for(timeout=20_000)
    drawing.reload()
    drawing.check()


def test_discarded_edits_are_gone_and_another_draft_begins_empty(page: Page, api: httpx.Client) -> None:
    volume_id = upload(api, grid_of("RAS"), seed=4)
    drawing = draw_on_nothing(page, volume_id)
    drawing.choose("Brush", "larynx")
    drawing.stroke("axial", (10, 8, 12), (14, 8, 12), 6)
    page.locator("[data-state=saved]").wait_for(timeout=10_000)
    page.get_by_role("button", name="Discard edits").click()
    page.get_by_role("button", name="Discard my edits").click()
    page.get_by_role("button", name="Draw a mask").click(timeout=20_000)
    drawing.wait()
    drawing.expected[:] = 0
    drawing.check()
    states = [draft["state"] for draft in api.get(f"/v1/volumes/{volume_id}/drafts").json()["items"]]
    assert states == ["open", "discarded"]


def test_a_correction_keeps_the_offset_to_hu_that_was_stated_for_its_prediction(
    page: Page, api: httpx.Client
) -> None:
    geometry = grid_of("LPS")
    stored = values_of(geometry, 5) + np.int16(1024)
    volume_id = upload(api, geometry, seed=5, array=stored)
    job = {"kind": "segment", "project_id": "default", "input": {"volume_id": volume_id}}
    job["parameters"] = {"hu_offset": -1024, "hu_confirmed": True}
    api.post("/v1/jobs", json=job, headers={"Idempotency-Key": volume_id}).raise_for_status()
    page.goto(f"{origin(page)}/segment?volume={volume_id}")
    page.get_by_role("button", name="Edit this mask").click(timeout=90_000)
    drawing = Drawing(page)
    drawing.choose("Brush", "larynx")
    drawing.look_at((10, 8, 12))
    drawing.page.mouse.click(*drawing.point("axial", (10, 8, 12)))
    page.get_by_role("button", name="Slice reviewed").click()
    page.get_by_role("button", name="Finalize").click()
    page.get_by_text("Correction by").first.wait_for(timeout=60_000)
    viewer = page.locator("[data-ready=full]")
    viewer.wait_for(timeout=30_000)
    data = viewer.evaluate("root => root.segloop.app.data")
    assert (data["unit"], data["huOffset"]) == ("HU", -1024)
