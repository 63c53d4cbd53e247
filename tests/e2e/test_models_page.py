"""Page "Models & training" in a real browser on the whole stack: from corrections to a version that is live, and back."""

import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, TimeoutError, expect

from tests.e2e.drawing import origin
from tests.integration.editing import Draft, upload

pytestmark = pytest.mark.browser

REASON = "looked at ten cases beside each other"
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def corrected_case(api: httpx.Client, seed: int) -> str:
    """Upload a CT of a patient, have it segmented, correct the mask, and submit feedback; return the volume."""
    blocks = np.random.default_rng(seed).choice(
        np.array([-1000, -100, 170, 430, 700], np.int16), size=(7, 7, 7)
    )
    ct = blocks.repeat(4, 0).repeat(4, 1).repeat(4, 2)
    volume = upload(api, ct, AFFINE, patient_reference=f"patient {seed}", case_reference=f"learning {seed}")
    job = api.post("/v1/jobs", json={"kind": "segment", "input": {"volume_id": volume["id"]}}).json()
    draft = Draft(api, volume["id"], finished(api, job["id"]))
    draft.paint((slice(2, 12), slice(2, 12), slice(2, 12)), 5)
    mask = draft.finalize(active_time_s=20).json()
    given = {"verdict": "corrected", "reviewed": {"whole": True}, "rating": 3}
    assert api.post(f"/v1/masks/{mask['id']}/feedback", json=given).status_code == 201
    return str(volume["id"])


def finished(api: httpx.Client, job_id: str, limit_s: float = 120) -> str:
    """Wait for a segmentation and return its mask."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        job = api.get(f"/v1/jobs/{job_id}").json()
        if job["state"] == "succeeded":
            return str(job["mask_id"])
        assert job["state"] in ("queued", "running"), job
        time.sleep(0.3)
    raise AssertionError("the segmentation took too long")


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    expect(page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")


def open_page(page: Page) -> None:
    page.goto(f"{origin(page)}/models")
    page.get_by_text("New corrections").first.wait_for(timeout=60_000)


def choose_case(page: Page, api: httpx.Client, name: str, *, among: str = "Cases") -> None:
    """Choose one of many cases: a long list draws only its first options, and a page that is drawn anew closes it."""
    box, option = page.get_by_role("combobox", name=among), page.get_by_role("option", name=name)
    for _ in range(6):
        page.wait_for_timeout(1000)
        box.click()
        box.fill("")
        box.press_sequentially(name, delay=20)
        try:
            option.click(timeout=5_000)
            return
        except TimeoutError:
            page.keyboard.press("Escape")
    cases = api.get("/v1/projects/default/training-cases").json()["items"]
    raise AssertionError([(case["case_reference"], case["is_test"], case["is_new"]) for case in cases])


def production(api: httpx.Client) -> int:
    versions = api.get("/v1/projects/default/model-versions").json()["items"]
    return next(int(version["number"]) for version in versions if version["stage"] == "production")


def test_corrections_are_learned_compared_promoted_used_and_taken_back(
    page: Page, api: httpx.Client, home: Path
) -> None:
    volumes = [corrected_case(api, seed) for seed in range(70, 74)]
    first = production(api)
    open_page(page)

    # What is missing is said in words, and the policy is changed on the page.
    open_tab(page, "Policy")
    page.get_by_label("Minimum of new corrections").fill("100")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("(100 needed)").first.wait_for(timeout=20_000)
    open_tab(page, "Training")
    expect(page.get_by_role("button", name="Trigger retraining")).to_be_disabled()
    page.get_by_text("of 100 new corrections are there").wait_for()
    open_tab(page, "Policy")
    page.get_by_label("Minimum of new corrections").fill("2")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("(2 needed)").first.wait_for(timeout=20_000)

    # One patient is kept for tests.
    open_tab(page, "Cases")
    page.get_by_text("Keep patients for tests").click()
    choose_case(page, api, "learning 70")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keep their patients for tests").click()
    page.get_by_text("Kept for tests.").wait_for(timeout=20_000)

    # A short retraining is started and watched.
    open_tab(page, "Training")
    page.get_by_text("Recipe (left empty").click()
    page.get_by_label("Epochs", exact=True).fill("2")
    page.get_by_label("Iterations per epoch").fill("2")
    page.get_by_label("Learning rate").fill("0.0001")
    page.get_by_label("Learning rate").press("Tab")
    open_tab(page, "Cases")  # a look at another tab loses nothing that was typed
    open_tab(page, "Training")
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("2")
    page.get_by_role("button", name="Trigger retraining").click()
    page.get_by_text("Quick tune, started by").wait_for(timeout=30_000)
    page.get_by_text("Last run:").wait_for(timeout=240_000)
    run = api.get("/v1/projects/default/training-runs").json()["items"][0]
    assert run["state"] == "succeeded", run["error_message"]
    run_cases = api.get(f"/v1/training-runs/{run['id']}").json()["cases"]
    parts = {case["volume_id"]: case["part"] for case in run_cases}
    assert parts[volumes[0]] in ("test", "held back") and "training" in parts.values()
    expect(page.locator("[data-testid=stVegaLiteChart]").first).to_be_visible()

    # The comparison is read; with so few cases only an override with a reason helps.
    candidate = api.get(f"/v1/model-versions/{run['version_id']}").json()["number"]
    open_tab(page, "Versions")
    page.get_by_text("Not enough cases to tell").first.wait_for(timeout=240_000)
    button = page.get_by_role("button", name=f"Promote v{candidate} without enough cases")
    reason = page.get_by_label("Reason (recorded with your name)")
    reason.fill("ok then")
    button.click()
    page.get_by_text("promotion_reason").wait_for(timeout=20_000)
    expect(page.get_by_role("tab", name="Decisions")).to_be_visible()  # a refusal takes nothing else away
    assert production(api) == first
    reason.fill(REASON)
    button.click()
    page.get_by_text(f"In production: v{candidate}").wait_for(timeout=20_000)
    page.get_by_text(f"Line: v{first} → v{candidate}").wait_for()

    # The next job uses it, without any restart.
    job = api.post("/v1/jobs", json={"kind": "segment", "input": {"volume_id": volumes[1]}}).json()
    mask = api.get(f"/v1/masks/{finished(api, job['id'])}").json()
    assert mask["model_version_id"] == run["version_id"]

    # Who asks which versions learned from a patient is told.
    open_tab(page, "Cases")
    page.get_by_text("Which versions were trained on a patient?").click()
    learned = next(c["case_reference"] for c in run_cases if c["part"] == "training")
    choose_case(page, api, learned, among="Patient of the case")
    page.get_by_text(f"v{candidate} (production)").wait_for(timeout=20_000)
    open_tab(page, "Versions")

    # And it is taken back.
    page.get_by_role("combobox", name="Version").click()
    page.get_by_role("option", name=f"v{first} · retired").click()
    page.get_by_label("Reason (recorded with your name)").fill("edges got coarser")
    page.get_by_role("button", name=f"Roll back to v{first}").click()
    page.get_by_text(f"In production: v{first}").wait_for(timeout=20_000)
    assert production(api) == first
    page.get_by_role("combobox", name="Version").click()
    page.get_by_role("option", name=f"v{candidate} · retired").click()
    page.get_by_role("button", name=f"Roll back to v{candidate}").wait_for(timeout=20_000)
    expect(page.get_by_role("tab", name="Decisions")).to_have_count(1)  # no part of the page before is left
    page.get_by_role("tab", name="Decisions").click()
    decisions = page.get_by_role("tabpanel", name="Decisions")
    decisions.get_by_text("although cases were too few").wait_for(timeout=20_000)


def test_a_run_is_cancelled_after_asking_once_more(page: Page, api: httpx.Client) -> None:
    for seed in range(80, 82):
        corrected_case(api, seed)
    open_page(page)
    page.get_by_text("Recipe (left empty").click()
    page.get_by_label("Epochs", exact=True).fill("500")
    page.get_by_label("Epochs", exact=True).press("Tab")
    page.get_by_role("button", name="Trigger retraining").click()
    page.get_by_role("button", name="Cancel").click(timeout=60_000)
    page.get_by_role("button", name="No, go on").click(timeout=20_000)
    page.get_by_role("button", name="Cancel").click(timeout=20_000)
    page.get_by_role("button", name="Yes, stop it").click(timeout=20_000)
    page.get_by_text("cancelled").first.wait_for(timeout=180_000)
    assert api.get("/v1/projects/default/training-state").json()["active_run_id"] is None
