"""The editor's tools in a real browser, each compared with what numpy and `edit_tools` make of the same voxels."""

from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from segloop.imaging import edit_tools
from segloop.imaging.geometry import reorient
from tests.e2e.drawing import SHAPE, SPACING, Drawing, draw_on_nothing, grid_of, upload, values_of

pytestmark = pytest.mark.browser
MANDIBLE, LARYNX = 5, 6


def noted(page: Page, text: str) -> None:
    page.locator(".note").get_by_text(text).wait_for(timeout=15_000)


def paint_over(page: Page, choice: str, *names: str) -> None:
    """Choose what may be painted over: "everything", "background", or "chosen" with the names of labels."""
    menu = page.get_by_label("What may be painted over")
    menu.click()
    page.get_by_role("combobox", name="Paint over").select_option(choice)
    if choice == "chosen":
        for box in page.get_by_role("checkbox", name="Paint over ").all():
            box.set_checked((box.get_attribute("aria-label") or "").removeprefix("Paint over ") in names)
    menu.click()


def use_tool(page: Page, name: str) -> None:
    """Run a tool on the chosen label and wait for what it says."""
    page.locator(".note").evaluate("note => { note.textContent = '' }")
    page.get_by_label("Tools for the chosen label").click()
    page.get_by_role("button", name=name, exact=True).click()
    page.locator(".note").get_by_text("change").wait_for(timeout=15_000)


def test_locked_and_hidden_labels_never_change(page: Page, api: httpx.Client) -> None:
    drawing = draw_on_nothing(page, upload(api, grid_of("LPS"), seed=21))
    drawing.choose("Brush", "mandible")
    drawing.stroke("axial", (10, 8, 12), (22, 8, 12), MANDIBLE)
    page.get_by_role("button", name="Lock mandible").click()
    drawing.choose("Brush", "larynx")
    drawing.stroke("axial", (16, 4, 12), (16, 20, 12), LARYNX, allowed=drawing.expected != MANDIBLE)
    drawing.check()
    drawing.choose("Erase")
    drawing.stroke("axial", (12, 8, 12), (18, 8, 12), 0, allowed=drawing.expected != MANDIBLE)
    drawing.check()

    drawing.choose("Brush", "mandible")
    drawing.click("axial", (30, 20, 12))
    noted(page, "mandible is locked")
    drawing.check()
    page.get_by_role("button", name="Lock mandible").click()
    page.get_by_label("Show larynx").uncheck()
    drawing.stroke("axial", (16, 14, 12), (16, 26, 12), MANDIBLE, allowed=drawing.expected != LARYNX)
    drawing.check()
    drawing.choose("Brush", "larynx")
    drawing.click("axial", (30, 20, 12))
    noted(page, "larynx is hidden")
    drawing.check()


def test_only_chosen_labels_and_values_are_painted_over(page: Page, api: httpx.Client) -> None:
    geometry = grid_of("PIR")
    drawing = draw_on_nothing(page, upload(api, geometry, seed=22))
    hu, _ = reorient(values_of(geometry, 22), geometry, "RAS")
    drawing.choose("Brush", "mandible")
    drawing.stroke("coronal", (18, 20, 5), (18, 20, 17), MANDIBLE)
    drawing.choose("Brush", "larynx")
    paint_over(page, "background")
    drawing.stroke("coronal", (10, 20, 10), (26, 20, 10), LARYNX, allowed=drawing.expected == 0)
    drawing.check()
    paint_over(page, "chosen", "mandible")
    drawing.stroke("coronal", (10, 20, 13), (26, 20, 13), LARYNX, allowed=drawing.expected == MANDIBLE)
    drawing.check()

    paint_over(page, "everything")
    page.get_by_label("Paint only values in the range").check()
    page.get_by_label("Lowest value").fill("0")
    page.get_by_label("Highest value").fill("150")
    drawing.choose("Brush", "brainstem")
    drawing.stroke("sagittal", (28, 8, 6), (28, 22, 6), 1, allowed=(hu >= 0) & (hu <= 150))
    assert 0 < (drawing.expected == 1).sum() < drawing.swept("sagittal", (28, 8, 6), (28, 22, 6)).sum()
    drawing.check()
    drawing.reload()
    drawing.check()


def test_a_polygon_a_fill_a_pick_and_a_copied_slice(page: Page, api: httpx.Client) -> None:
    drawing = draw_on_nothing(page, upload(api, grid_of("RAS"), seed=23))
    drawing.choose("Polygon", "mandible")
    corners = [(8, 6, 12), (20, 6, 12), (20, 18, 12), (8, 18, 12)]
    for corner in corners:
        drawing.click("axial", corner)
    page.keyboard.press("Enter")
    drawing.expected[8:21, 6:19, 12] = MANDIBLE
    drawing.check()

    drawing.choose("Fill", "larynx")
    drawing.click("axial", (14, 12, 12))
    drawing.expected[8:21, 6:19, 12] = LARYNX
    drawing.check()
    drawing.choose("Fill", "brainstem")
    drawing.choose("Pick")
    drawing.click("axial", (14, 12, 12))
    assert page.get_by_label("Label to draw").input_value() == str(LARYNX)

    drawing.choose("Lasso")
    drawing.look_at((14, 12, 13))
    page.get_by_label("Tools for the chosen label").click()
    page.get_by_role("button", name="Copy from slice below").click()
    drawing.expected[8:21, 6:19, 13] = LARYNX
    drawing.check()
    # The menu's button is gone, and keys still reach the viewer; the card closes before the tool is put away.
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys and mouse").wait_for(timeout=5_000)
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog", name="Keys and mouse").count() == 0
    assert page.get_by_role("button", name="Lasso", exact=True).get_attribute("aria-pressed") == "true"
    page.keyboard.press("Control+z")
    drawing.expected[8:21, 6:19, 13] = 0
    drawing.check()
    page.get_by_role("button", name="Redo").click()
    drawing.expected[8:21, 6:19, 13] = LARYNX
    drawing.check()
    drawing.reload()
    drawing.check()


def test_a_lost_polygon_leaves_no_trace(page: Page, api: httpx.Client) -> None:
    drawing = draw_on_nothing(page, upload(api, grid_of("RAS"), seed=24))
    drawing.choose("Polygon", "mandible")
    for corner in [(8, 6, 12), (20, 6, 12), (20, 18, 12)]:
        drawing.click("axial", corner)
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    drawing.check()
    page.mouse.dblclick(*drawing.point("axial", (8, 6, 12)))  # no large plane while something is drawn
    assert drawing.viewer.evaluate("root => root.segloop.state().layout") == "all"
    drawing.check()


def test_a_polygon_of_a_label_that_was_locked_meanwhile_waits(page: Page, api: httpx.Client) -> None:
    drawing = draw_on_nothing(page, upload(api, grid_of("RAS"), seed=33))
    drawing.choose("Polygon", "mandible")
    for corner in [(8, 6, 12), (20, 6, 12), (20, 18, 12), (8, 18, 12)]:
        drawing.click("axial", corner)
    lock, plane = page.get_by_role("button", name="Lock mandible"), page.locator("[data-plane=axial]")
    lock.click()
    plane.focus()
    page.keyboard.press("Enter")
    noted(page, "mandible is locked")
    drawing.check()
    lock.click()
    plane.focus()
    page.keyboard.press("Enter")
    drawing.expected[8:21, 6:19, 12] = MANDIBLE
    drawing.check()


def test_shape_tools_do_what_the_server_reckons(page: Page, api: httpx.Client) -> None:
    drawing = draw_on_nothing(page, upload(api, grid_of("SAL"), seed=25))
    drawing.choose("Brush", "larynx")
    drawing.stroke("axial", (10, 14, 6), (22, 14, 6), LARYNX)
    drawing.stroke("axial", (14, 14, 12), (26, 14, 12), LARYNX)
    drawing.look_at((18, 14, 9))
    page.locator("[data-plane=axial]").focus()

    def becomes(mask: NDArray[np.bool_]) -> None:
        drawing.expected[drawing.expected == LARYNX] = 0
        drawing.expected[mask] = LARYNX
        drawing.check()

    use_tool(page, "Interpolate")
    becomes(edit_tools.interpolate(drawing.expected == LARYNX, SPACING, plane="axial", slices=[6, 12]))
    assert (drawing.expected[:, :, 9] == LARYNX).any()
    use_tool(page, "Smooth")
    becomes(edit_tools.smooth(drawing.expected == LARYNX, SPACING, radius_mm=2))
    drawing.stroke("axial", (30, 26, 20), (31, 26, 20), LARYNX)
    use_tool(page, "Remove islands")
    becomes(edit_tools.keep_islands(drawing.expected == LARYNX, min_voxels=None))
    drawing.choose("Erase")
    page.get_by_label("Brush radius in mm").fill("1")
    drawing.click("axial", (18, 14, 9))
    drawing.expected[18, 14, 9] = 0
    drawing.check()
    use_tool(page, "Fill holes")
    drawing.expected[18, 14, 9] = LARYNX
    drawing.check()
    page.get_by_role("button", name="Undo").click()
    drawing.expected[18, 14, 9] = 0
    drawing.check()
    drawing.reload()
    drawing.check()


def test_a_structure_grows_from_a_click_through_similar_values(page: Page, api: httpx.Client) -> None:
    geometry = grid_of("LPS")
    hu = np.full(SHAPE, -50, np.int16)
    hu[0] = -1000
    hu[8:20, 8:16, 4:20] = 200
    array: Any = hu[::-1, ::-1]
    drawing = draw_on_nothing(page, upload(api, geometry, seed=0, array=np.ascontiguousarray(array)))
    drawing.choose("Grow", "mandible")
    drawing.click("axial", (14, 12, 12))
    noted(page, "140 to 260 HU, at most 20 mm away")
    grown = edit_tools.grow(hu, (14, 12, 12), SPACING, low_hu=140, high_hu=260, radius_mm=20)
    assert 100 < grown.sum() < (hu == 200).sum()
    drawing.expected[grown] = MANDIBLE
    drawing.check()


def test_the_reviewed_region_is_said_and_stored(page: Page, api: httpx.Client) -> None:
    volume_id = upload(api, grid_of("IPL"), seed=26)
    drawing = draw_on_nothing(page, volume_id)
    drawing.choose("Brush", "larynx")
    drawing.stroke("axial", (10, 8, 12), (14, 8, 12), LARYNX)
    assert page.locator(".unvouched").first.is_visible()
    menu = page.get_by_label("Reviewed region")
    menu.click()
    page.get_by_label("First slice").fill("5")
    page.get_by_label("Last slice").fill("8")
    page.get_by_role("button", name="Mark range").click()
    page.get_by_role("button", name="Mark edited slices").click()
    page.get_by_label("All labels reviewed").uncheck()
    for name in ("mandible", "brainstem"):
        page.get_by_label(f"{name} reviewed").uncheck()
    assert page.get_by_text("Edited axial:").is_visible()
    menu.click()
    assert page.locator("[data-plane=axial] .vouched").is_visible()
    drawing.look_at((10, 8, 20))
    page.locator("[data-plane=axial] .unvouched").wait_for(timeout=5_000)
    drawing.reload()

    (draft,) = api.get(f"/v1/volumes/{volume_id}/drafts").json()["items"]
    changes = api.get(f"/v1/drafts/{draft['id']}/changes").json()
    assert changes["edited"]["axial"] == [[12, 12]]
    assert changes["voxels_changed"] == (drawing.expected > 0).sum()
    assert changes["reviewed"]["axial"] == [[4, 7], [12, 12]]
    assert not {1, MANDIBLE} & set(changes["reviewed"]["labels"])
    page.get_by_role("button", name="Finalize").click()
    page.get_by_text("REVIEWED IN PART").first.wait_for(timeout=30_000)
    (mask,) = api.get(f"/v1/volumes/{volume_id}/masks").json()["items"]
    assert mask["reviewed"] == changes["reviewed"]


def test_volumes_follow_the_strokes(page: Page, api: httpx.Client) -> None:
    drawing: Drawing = draw_on_nothing(page, upload(api, grid_of("RAS"), seed=27))
    drawing.choose("Brush", "larynx")
    drawing.stroke("axial", (10, 8, 12), (14, 8, 12), LARYNX)
    ml = (drawing.expected == LARYNX).sum() * np.prod(SPACING) / 1000
    page.locator(f"[data-label='{LARYNX}'] .ml").get_by_text(f"{ml:.2f} ml").wait_for(timeout=5_000)
    drawing.undo()
    page.locator(f"[data-label='{LARYNX}'] .ml").get_by_text("0.00 ml").wait_for(timeout=5_000)
