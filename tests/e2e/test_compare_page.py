"""The page "Compare" in a real browser: two masks in pictures and numbers, by what numpy makes of them."""

import gzip
from typing import Any

import httpx
import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from segloop.imaging.geometry import Geometry, reorient
from tests.e2e.drawing import SHAPE, SPACING, grid_of, origin, upload

pytestmark = pytest.mark.browser


def add_mask(api: httpx.Client, volume_id: str, geometry: Geometry, ras: NDArray[np.uint8], kind: str) -> str:
    """Upload a mask given in RAS order, on the volume's own grid; return its id."""
    array: Any = np.zeros(geometry.shape, np.uint8)
    change = np.arange(array.size).reshape(geometry.shape)
    places, _ = reorient(change, geometry, "RAS")
    array.ravel()[places.ravel()] = ras.ravel()
    body = gzip.compress(nibabel.Nifti1Image(array, geometry.affine).to_bytes(), 1)  # type: ignore[no-untyped-call]
    options = {"size_bytes": len(body), "purpose": "mask", "volume_id": volume_id, "mask_kind": kind}
    made = api.post("/v1/projects/default/uploads", json=options).raise_for_status().json()
    api.put(f"/v1/uploads/{made['id']}/parts/1", content=body).raise_for_status()
    return str(api.post(f"/v1/uploads/{made['id']}/complete").raise_for_status().json()["id"])


@pytest.mark.parametrize("codes", ["LPS", "SAR"])
def test_two_masks_are_seen_and_measured(page: Page, api: httpx.Client, codes: str) -> None:
    geometry = grid_of(codes)
    volume_id = upload(api, geometry, seed=50 + len(codes) + ord(codes[0]))
    truth, other = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    truth[6:16, 8:18, 6:16] = 5
    other[8:18, 8:18, 6:16] = 5  # shifted to the right
    truth[24:30, 8:18, 6:16] = 6
    other[24:30, 8:18, 6:18] = 6
    truth[3, 3, 3] = 1
    add_mask(api, volume_id, geometry, other, "imported")
    add_mask(api, volume_id, geometry, truth, "ground_truth")

    page.goto(f"{origin(page)}/segment?volume={volume_id}")
    page.get_by_role("button", name="Compare").click(timeout=30_000)
    # The page Segment's own viewer may be there a moment longer.
    viewer = page.locator("[data-ready=full]", has=page.get_by_label("Shown mask"))
    viewer.wait_for(timeout=30_000)
    for name, mask in (("mask", truth), ("compared", other)):
        voxels = viewer.evaluate(
            "(root, name) => Array.from(root.segloop.app.store.scene[name].voxels)", name
        )
        assert np.array_equal(np.array(voxels).reshape(SHAPE, order="F"), mask)

    def dice(label: int) -> float:
        a, b = truth == label, other == label
        return float(2 * (a & b).sum() / (a.sum() + b.sum()))

    dices = [dice(5), dice(6), dice(1)]
    page.get_by_text(f"Mean Dice {np.mean(dices):.3f}").wait_for(timeout=10_000)
    page.get_by_role("button", name="Numbers").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the numbers").click()
    lines = [line.split(",") for line in download.value.path().read_text().splitlines()]
    rows = {line[0]: dict(zip(lines[0][1:], line[1:], strict=True)) for line in lines[1:]}
    voxel_ml = float(np.prod(SPACING)) / 1000
    assert float(rows["mandible"]["Dice"]) == pytest.approx(dice(5), abs=1e-3)
    assert float(rows["larynx"]["B - A ml"]) == pytest.approx(6 * 10 * 2 * voxel_ml, abs=1e-2)
    assert float(rows["mandible"]["HD95 mm"]) > 0
    assert (rows["brainstem"]["Dice"], rows["brainstem"]["HD95 mm"]) == ("0.0", "")
    assert rows["esophagus"]["Dice"] == ""
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Next disagreement").click()
    x, y, z = viewer.evaluate("root => root.segloop.crosshair()")
    assert (truth[x, y, z], other[x, y, z]) in {(5, 0), (0, 5)}  # 200 voxels each; larynx differs in 120
    for _ in range(2):
        page.get_by_role("button", name="Next disagreement").click()
    x, y, z = viewer.evaluate("root => root.segloop.crosshair()")
    assert (truth[x, y, z], other[x, y, z]) == (0, 6)
    assert page.get_by_text("A says background, B says larynx").is_visible()

    viewer.evaluate("root => root.segloop.set({ zoom: 8 })")
    page.get_by_role("button", name="Next disagreement").click()
    place = viewer.evaluate("root => root.segloop.pointOf(0, root.segloop.crosshair())")
    box = page.locator("[data-plane=axial]").bounding_box()
    assert box is not None
    assert box["x"] < place[0] < box["x"] + box["width"] and box["y"] < place[1] < box["y"] + box["height"]
    page.get_by_role("button", name="800 %").click()
    viewer.evaluate("root => root.segloop.setCrosshair(0, 0, 7)")
    z = 7
    assert page.get_by_text("both agree").is_visible()

    viewer.evaluate("root => root.setAttribute('data-kept', 'yes')")
    page.get_by_label("Shown mask").select_option("both")
    second = page.locator("[data-plane=axial-second]")
    second.wait_for(timeout=5_000)
    assert not page.get_by_text("both agree").is_visible()  # these colours are painted no more
    box = second.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)  # moves both
    moved = viewer.evaluate("root => root.segloop.crosshair()")
    assert abs(moved[0] - SHAPE[0] // 2) <= 1 and abs(moved[1] - SHAPE[1] // 2) <= 1 and moved[2] == z
    assert page.locator("[data-kept=yes]").count() == 1  # the viewer was never made again


def test_a_case_with_one_mask_says_what_to_do(page: Page, api: httpx.Client) -> None:
    geometry = grid_of("RAS")
    volume_id = upload(api, geometry, seed=61)
    add_mask(api, volume_id, geometry, np.ones(SHAPE, np.uint8), "ground_truth")
    page.goto(f"{origin(page)}/compare?volume={volume_id}")
    page.get_by_text("Two masks are needed to compare").wait_for(timeout=20_000)


def test_of_two_masks_made_alike_in_one_minute_the_shown_one_is_edited_and_compared(
    page: Page, api: httpx.Client
) -> None:
    geometry = grid_of("RAS")
    volume_id = upload(api, geometry, seed=62)
    masks = [np.full(SHAPE, label, np.uint8) for label in (2, 3, 5)]
    kinds = ("imported", "imported", "ground_truth")
    older, newer, truth = (
        add_mask(api, volume_id, geometry, mask, kind) for mask, kind in zip(masks, kinds, strict=True)
    )
    page.goto(f"{origin(page)}/compare?volume={volume_id}&a={truth}&b={newer}")
    viewer = page.locator("[data-ready=full]", has=page.get_by_label("Shown mask"))
    viewer.wait_for(timeout=30_000)
    data = "([root, name]) => root.segloop.app.data[name]"
    for option, expected in ((2, older), (1, newer)):  # of all three, newest first
        page.get_by_role("combobox", name="Mask B").click()
        page.get_by_role("option").nth(option).click()
        page.wait_for_function(
            data + " === " + repr(expected), arg=[viewer.element_handle(), "compareMaskId"]
        )

    page.goto(f"{origin(page)}/segment?volume={volume_id}")
    page.locator("[data-ready=full]").wait_for(timeout=30_000)
    page.get_by_role("combobox", name="Mask").click()
    page.get_by_role("option").nth(1).click()
    page.locator("[data-ready=full]").wait_for(timeout=30_000)
    page.get_by_role("button", name="Edit this mask").click()
    page.locator("[data-state=saved]").wait_for(timeout=30_000)
    (draft,) = api.get(f"/v1/volumes/{volume_id}/drafts").raise_for_status().json()["items"]
    assert draft["base_mask_id"] == newer


def test_feedback_on_an_older_mask_leaves_that_mask_on_the_page(page: Page, api: httpx.Client) -> None:
    geometry = grid_of("RAS")
    volume_id = upload(api, geometry, seed=63)
    older, _ = (
        add_mask(api, volume_id, geometry, np.full(SHAPE, label, np.uint8), "imported") for label in (2, 3)
    )
    page.goto(f"{origin(page)}/segment?volume={volume_id}")
    viewer = page.locator("[data-ready=full]")
    viewer.wait_for(timeout=30_000)
    page.get_by_role("combobox", name="Mask").click()
    page.get_by_role("option").nth(1).click()
    shows = "([root, id]) => root.segloop.app.data.maskId === id"
    page.wait_for_function(shows, arg=[viewer.element_handle(), older])
    page.get_by_role("button", name="Feedback").click()
    page.get_by_role("button", name="Submit feedback").click()
    page.get_by_text("Choose a verdict first.").wait_for(timeout=20_000)  # none is given by a press too many
    page.get_by_text("Accept as it is").click()
    page.get_by_role("button", name="Submit feedback").click()
    page.get_by_text("Feedback stored").wait_for(timeout=20_000)
    page.wait_for_timeout(1_500)  # a later run of the page must not choose another one either
    assert viewer.evaluate("root => root.segloop.app.data.maskId") == older
    page.get_by_text("accepted by").first.wait_for(timeout=10_000)
    page.get_by_role("button", name="Edit this mask").click()
    page.locator("[data-state=saved]").wait_for(timeout=30_000)
    (draft,) = api.get(f"/v1/volumes/{volume_id}/drafts").raise_for_status().json()["items"]
    assert draft["base_mask_id"] == older


def test_a_mask_that_is_not_of_this_case_is_refused(page: Page, api: httpx.Client) -> None:
    geometry = grid_of("RAS")
    ids = [upload(api, geometry, seed=seed) for seed in (64, 65)]
    for label in (2, 3):
        add_mask(api, ids[0], geometry, np.full(SHAPE, label, np.uint8), "imported")
    foreign = add_mask(api, ids[1], geometry, np.full(SHAPE, 4, np.uint8), "imported")
    for wrong in (foreign, "nonsense"):
        page.goto(f"{origin(page)}/compare?volume={ids[0]}&a={wrong}")
        page.get_by_text("does not belong to this case").wait_for(timeout=20_000)
        assert page.locator("[data-ready]").count() == 0
    page.get_by_role("button", name="Compare this case's own masks").click()
    page.locator("[data-ready=full]").wait_for(timeout=30_000)


def test_another_pair_begins_at_its_own_largest_disagreement(page: Page, api: httpx.Client) -> None:
    geometry = grid_of("RAS")
    volume_id = upload(api, geometry, seed=66)
    masks = [np.zeros(SHAPE, np.uint8) for _ in range(3)]
    for size, mask in zip((2, 4, 6), masks, strict=True):
        mask[4 : 4 + size, 4 : 4 + size, 4:9] = size
        mask[20 : 20 + size, 20:24, 12:20] = size
    for mask in masks:
        add_mask(api, volume_id, geometry, mask, "imported")
    page.goto(f"{origin(page)}/compare?volume={volume_id}")
    page.locator("[data-ready=full]").wait_for(timeout=30_000)
    for _ in range(2):
        page.get_by_role("button", name="Next disagreement").click()
    said = page.locator(".status").get_by_text("2 of")
    said.wait_for(timeout=5_000)
    assert (
        int(said.inner_text().split(":")[0].split()[-1]) != 2
    )  # else a count that goes on would be 1 again by itself
    page.get_by_role("combobox", name="Mask B").click()
    page.get_by_role("option").nth(2).click()
    page.wait_for_timeout(2_000)
    page.get_by_role("button", name="Next disagreement").click()
    page.get_by_text("1 of").wait_for(timeout=5_000)
