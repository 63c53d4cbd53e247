"""What a person set while editing is still set after a reload, and what protects voxels says so."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from tests.e2e.drawing import draw_on_nothing, grid_of, upload
from tests.e2e.test_edit_tools import LARYNX, MANDIBLE, noted, paint_over

pytestmark = pytest.mark.browser


def settings_of(page: Page) -> dict[str, Any]:
    """Return what the controls show."""
    pressed = page.locator(".group button[aria-pressed=true]").inner_text()
    labels = page.get_by_label("Label to draw")
    return {
        "tool": pressed,
        "label": labels.evaluate("select => select.selectedOptions[0].textContent"),
        "radius": page.get_by_label("Brush radius in mm").input_value(),
        "ball": page.get_by_label("Brush is a ball").is_checked(),
        "ranged": page.get_by_label("Paint only values in the range").is_checked(),
        "range": [page.get_by_label(f"{end} value").input_value() for end in ("Lowest", "Highest")],
        "over": page.get_by_label("What may be painted over").inner_text(),
        "locked": page.get_by_label("Lock mandible").get_attribute("aria-pressed"),
        "shown": page.get_by_label("Show parotid_left").is_checked(),
    }


def test_what_was_set_is_kept_over_a_reload_and_protects_still(page: Page, api: httpx.Client) -> None:
    drawing = draw_on_nothing(page, upload(api, grid_of("LPS"), seed=101))
    drawing.choose("Brush", "mandible")
    drawing.stroke("axial", (10, 8, 12), (22, 8, 12), MANDIBLE)
    page.get_by_role("button", name="Lock mandible").click()
    page.get_by_label("Show parotid_left").uncheck()
    page.get_by_label("Brush is a ball").check()
    drawing.choose("Brush", "larynx")
    page.get_by_label("Brush radius in mm").fill("7")
    page.get_by_label("Paint only values in the range").check()
    page.get_by_label("Lowest value").fill("-500")
    page.get_by_label("Highest value").fill("450")
    paint_over(page, "chosen", "background", "mandible")
    before = settings_of(page)
    assert before == {
        "tool": "Brush",
        "label": "larynx",
        "radius": "7",
        "ball": True,
        "ranged": True,
        "range": ["-500", "450"],
        "over": "Over: 2 chosen, 1 locked",
        "locked": "true",
        "shown": False,
    }
    drawing.reload()
    assert settings_of(page) == before
    page.get_by_text("1 label is hidden").wait_for(timeout=5_000)
    page.get_by_label("Brush is a ball").uncheck()
    page.get_by_label("Paint only values in the range").uncheck()
    page.get_by_label("Brush radius in mm").fill("5")
    drawing.stroke("axial", (16, 4, 12), (16, 20, 12), LARYNX, allowed=drawing.expected != MANDIBLE)
    drawing.check()
    page.get_by_role("button", name="Show all").click()
    assert page.get_by_label("Show parotid_left").is_checked()

    # Another case begins with looking, so that a click there paints nothing; and with nothing hidden.
    page.get_by_label("Show parotid_left").uncheck()
    draw_on_nothing(page, upload(api, grid_of("LPS"), seed=102))
    after = settings_of(page)
    assert (after["tool"], after["shown"]) == ("Look", True)
    assert (after["label"], after["locked"], after["radius"]) == ("larynx", "true", "5")


def test_the_window_is_kept_over_a_reload_but_neither_the_opacity_nor_the_convention(
    page: Page, api: httpx.Client
) -> None:
    drawing = draw_on_nothing(page, upload(api, grid_of("LPS"), seed=105))
    page.get_by_label("Window preset").select_option("Bone")
    page.get_by_label("Window level").fill("450")
    page.get_by_role("button", name="3D", exact=True).click()
    page.get_by_label("Mask opacity").fill("0")
    page.get_by_label("Convention").select_option("0")
    drawing.reload()
    shown = drawing.viewer.evaluate("root => root.segloop.state()")
    kept = {"preset": "Custom", "width": 2000, "level": 450, "is3d": True}
    fresh = {"opacity": 0.5, "isRadiological": True}
    assert {name: shown[name] for name in kept | fresh} == kept | fresh


def test_a_stroke_that_was_kept_out_says_why(page: Page, api: httpx.Client) -> None:
    drawing = draw_on_nothing(page, upload(api, grid_of("RAS"), seed=103))
    drawing.choose("Brush", "mandible")
    drawing.stroke("axial", (10, 8, 12), (22, 8, 12), MANDIBLE)
    page.get_by_role("button", name="Lock mandible").click()
    drawing.choose("Brush", "larynx")
    page.get_by_label("Brush radius in mm").fill("1")
    drawing.click("axial", (16, 8, 12))
    noted(page, "Nothing changed: mandible may not be painted over")
    page.get_by_label("Paint only values in the range").check()
    page.get_by_label("Lowest value").fill("2000")
    page.get_by_label("Highest value").fill("3000")
    drawing.click("axial", (16, 20, 12))
    noted(page, "Nothing changed: no value here lies in the range")
    drawing.check()
    page.get_by_label("Paint only values in the range").uncheck()
    drawing.click("axial", (16, 20, 12))  # it says no more than is so
    assert page.locator(".note").inner_text() == ""


def test_a_copied_slice_says_how_much_came_over(page: Page, api: httpx.Client) -> None:
    drawing = draw_on_nothing(page, upload(api, grid_of("RAS"), seed=104))
    drawing.choose("Brush", "larynx")
    drawing.stroke("axial", (10, 8, 12), (22, 8, 12), LARYNX)
    n = int((drawing.expected == LARYNX).sum())
    drawing.look_at((10, 8, 13))
    for said in (f"{n} voxels of larynx brought over from slice 13.", "Slice 14 has all of larynx that"):
        page.get_by_label("Tools for the chosen label").click()
        page.get_by_role("button", name="Copy from slice below").click()
        noted(page, said)
