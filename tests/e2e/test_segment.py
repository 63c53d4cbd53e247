"""Page "Segment" in a real browser on the whole stack: drop a CT, watch it, look at the mask."""

from pathlib import Path
from typing import Any

import httpx
import nibabel
import numpy as np
import pytest
from playwright.sync_api import Page

from segloop.imaging.geometry import Geometry, reorient
from segloop.nnunet.tiny import expected_labels
from segloop.stack import state
from tests.e2e.drawing import origin

pytestmark = pytest.mark.browser

SHAPE = (40, 36, 30)
# An oblique grid in another index order, so that a mirrored viewer could not pass.
AFFINE = np.array([[0.0, -3.0, 0.0, 60.0], [0.0, 0.0, 3.0, -50.0], [-3.0, 0.0, 0.0, 40.0], [0, 0, 0, 1]])


def test_a_ct_is_dropped_segmented_and_seen_unmirrored(page: Page, tmp_path: Path) -> None:
    blocks = np.random.default_rng(1).choice(
        np.array([-1000, -100, 170, 430, 700], np.int16), size=(10, 9, 8)
    )
    array = blocks.repeat(4, 0).repeat(4, 1).repeat(4, 2)[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    path = tmp_path / "ct.nii.gz"
    nibabel.save(nibabel.Nifti1Image(array, AFFINE), path)  # type: ignore[no-untyped-call]

    page.locator("input[type=file]").set_input_files(path)  # the job starts by itself
    # The viewer's own words come with the mask's load, the page's a moment earlier.
    page.locator("[data-ready]").get_by_text("NOT REVIEWED").first.wait_for(timeout=60_000)
    page.locator("[data-ready=full]").wait_for(timeout=60_000)
    page.get_by_text("Download mask").wait_for(timeout=30_000)
    _expect_voxels(page, array)
    assert page.get_by_text("mandible").first.is_visible()


def _expect_voxels(page: Page, array: Any) -> None:
    """Compare what the viewer holds with the CT and the known mask, voxel by voxel, in RAS order."""
    geometry = Geometry(SHAPE, AFFINE)
    ct, _ = reorient(array, geometry, "RAS")
    mask, _ = reorient(expected_labels(array), geometry, "RAS")
    picks = np.random.default_rng(2).integers(0, ct.shape, size=(300, 3)).tolist()
    seen = page.locator("[data-ready=full]").evaluate(
        "(root, picks) => picks.map(([i, j, k]) => [root.segloop.hu(i, j, k), root.segloop.label(i, j, k)])",
        picks,
    )
    assert [pair[0] for pair in seen] == [int(ct[i, j, k]) for i, j, k in picks]
    agreement = np.mean([pair[1] == mask[i, j, k] for pair, (i, j, k) in zip(seen, picks, strict=True)])
    assert agreement > 0.97  # nnU-Net's half-precision weights blur the outermost voxels


def test_a_reloaded_page_shows_the_same_ct_and_goes_on_watching(page: Page, tmp_path: Path) -> None:
    array = np.random.default_rng(3).choice(np.array([-1000, 40, 700], np.int16), size=(256, 256, 160))
    path = tmp_path / "another.nii.gz"
    nibabel.save(nibabel.Nifti1Image(array, np.diag([3.0, 3.0, 3.0, 1.0])), path)  # type: ignore[no-untyped-call]
    page.locator("input[type=file]").set_input_files(path)  # the job starts by itself
    page.get_by_text("Predicting").wait_for(timeout=30_000)
    page.reload()
    page.get_by_role("button", name="Cancel").wait_for(timeout=20_000)
    assert page.get_by_role("button", name="Segment this CT").count() == 0
    page.get_by_text("NOT REVIEWED").first.wait_for(timeout=120_000)


def open_case(page: Page, place: int) -> None:
    """Open a case of the worklist."""
    page.goto(origin(page))
    page.get_by_test_id("stButton").get_by_role("button", name="Open").nth(place).click(timeout=20_000)


def test_cases_are_opened_from_a_worklist_that_stood_for_a_while(page: Page) -> None:
    page.get_by_test_id("stButton").get_by_role("button", name="Open").first.wait_for(timeout=20_000)
    for _ in range(3):
        shapes = [text.split(",")[0] for text in page.get_by_text("uploaded").all_inner_texts()[:2]]
        for place, shape in enumerate(shapes):
            page.wait_for_timeout(2_500)
            open_case(page, place)
            page.get_by_text(shape.splitlines()[-1]).wait_for(timeout=20_000)
            page.locator("[data-ready=full]").wait_for(timeout=20_000)
        page.get_by_role("button", name="Worklist").click()
        page.get_by_test_id("stButton").get_by_role("button", name="Open").first.wait_for(timeout=20_000)


def test_a_ct_is_segmented_again_only_when_asked_and_both_masks_stay(page: Page, api: httpx.Client) -> None:
    open_case(page, 0)
    page.get_by_role("button", name="Segment again").wait_for(timeout=20_000)
    volume_id = page.url.partition("volume=")[2]

    def jobs() -> list[tuple[str, str]]:
        found = api.get("/v1/jobs", params={"volume_id": volume_id}).json()["items"]
        return [(job["created_at"], job["state"]) for job in found]

    before = jobs()
    page.get_by_role("button", name="Segment again").click()
    page.get_by_role("combobox", name="Mask").wait_for(timeout=60_000)
    assert (len(before), len(jobs())) == (1, 2), (before, jobs())
    assert len(api.get(f"/v1/volumes/{volume_id}/masks").json()["items"]) == 2


def test_jobs_are_listed_by_case_and_lead_to_it(page: Page) -> None:
    page.get_by_role("link", name="Jobs").click()
    page.get_by_text("predicting").first.wait_for(timeout=20_000)
    page.get_by_role("link", name="case").first.click()
    page.locator("[data-ready=full]").wait_for(timeout=20_000)


def test_without_signing_in_nothing_is_shown(home: Path) -> None:
    address = f"http://127.0.0.1:{state.ports(home)['ui']}"
    for path in ("/", "/api/v1/jobs", "/_stcore/health", "/segment"):
        assert httpx.get(address + path).status_code == 401


def test_feedback_leads_over_to_models_and_training(page: Page, api: httpx.Client) -> None:
    open_case(page, 0)
    page.get_by_role("button", name="Feedback").click(timeout=30_000)
    page.get_by_text("Reject").click()
    page.get_by_role("button", name="Submit feedback").click()
    page.get_by_text("REJECTED").first.wait_for(timeout=20_000)
    page.get_by_role("link", name="Models & training").click()
    page.get_by_text("In production:").wait_for(timeout=20_000)
    page.get_by_role("tab", name="Feedback", exact=True).click()
    statistics = api.get("/v1/projects/default/feedback/statistics").json()["overall"]
    metric = page.locator("[data-testid=stMetric]", has_text="Rejected")
    metric.get_by_text(str(statistics["rejected"]), exact=True).wait_for(timeout=10_000)
    page.get_by_role("tab", name="Versions", exact=True).click()
    page.get_by_role("combobox", name="Version").wait_for(timeout=20_000)
