"""A mask is uploaded from the page: with its CT or later, seen unmirrored, edited and submitted without any worker."""

from pathlib import Path
from typing import Any

import httpx
import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from segloop.imaging.geometry import Geometry, reorient
from tests.e2e.drawing import SHAPE, Drawing, grid_of, origin, upload, values_of

pytestmark = pytest.mark.browser


def saved(path: Path, array: NDArray[Any], geometry: Geometry) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, geometry.affine), path)  # type: ignore[no-untyped-call]
    return path


def seen(page: Page) -> NDArray[np.int_]:
    """Return the mask that the viewer holds once it has come, in RAS order."""
    voxels = page.locator("[data-ready]").evaluate(
        """async root => {
            const { app } = root.segloop
            while (root.dataset.ready !== 'full' || !app.store.scene.mask) await new Promise(done => setTimeout(done, 50))
            return Array.from(app.store.scene.mask.voxels)
        }"""
    )
    return np.array(voxels).reshape(SHAPE, order="F")


@pytest.mark.parametrize("codes", ["LPS", "PIR"])
def test_a_ct_and_its_mask_are_dropped_together_edited_and_submitted(
    page: Page, api: httpx.Client, tmp_path: Path, codes: str
) -> None:
    geometry = grid_of(codes)
    mask = np.zeros(geometry.shape, np.uint8)
    mask[3:9, 2:12, 4:15] = 5
    files = [
        saved(tmp_path / "case-1_seg.nii.gz", mask, geometry),
        saved(tmp_path / "case-1.nii.gz", values_of(geometry, 70 + ord(codes[0])), geometry),
    ]
    page.get_by_label("What the mask is").select_option("imported")
    page.locator("input[type=file]").set_input_files(files)
    page.get_by_text("IMPORTED - NOT REVIEWED").wait_for(timeout=30_000)
    ras, _ = reorient(mask, geometry, "RAS")
    assert np.array_equal(seen(page), ras)
    volume_id = page.url.partition("volume=")[2]
    assert api.get("/v1/jobs", params={"volume_id": volume_id}).json()["items"] == []  # no worker is asked

    page.get_by_role("button", name="Edit this mask").click()
    drawing = Drawing(page)
    drawing.expected = ras.astype(np.uint8)
    drawing.choose("Brush", "larynx")
    drawing.stroke("axial", (28, 8, 20), (32, 8, 20), 6)
    drawing.check()
    page.get_by_role("button", name="Finalize").click()
    page.get_by_role("dialog").get_by_role("button", name="Whole volume").click()
    page.get_by_role("button", name="Feedback").click(timeout=30_000)
    page.get_by_role("button", name="Submit feedback").click()
    page.get_by_text("Feedback stored").wait_for(timeout=20_000)
    (given,) = api.get(f"/v1/volumes/{volume_id}/feedback").json()["items"]
    assert given["verdict"] == "corrected"
    page.get_by_role("button", name="Worklist").click()
    page.get_by_text("corrected", exact=True).first.wait_for(timeout=20_000)


def test_ground_truth_is_added_to_a_case_and_what_does_not_fit_is_refused(
    page: Page, api: httpx.Client, tmp_path: Path
) -> None:
    geometry = grid_of("LPS")
    volume_id = upload(api, geometry, seed=80)
    page.goto(f"{origin(page)}/segment?volume={volume_id}")
    page.get_by_role("button", name="Add a mask").click(timeout=20_000)
    page.get_by_text("1 brainstem, 2 spinal_cord").wait_for(timeout=10_000)
    drop = page.locator("input[type=file]")
    mask = np.zeros(geometry.shape, np.uint8)
    mask[3:9, 2:12, 4:15] = 3
    other = Geometry(geometry.shape, geometry.affine @ np.diag([-1.0, 1, 1, 1]))
    truncated = tmp_path / "truncated.nii.gz"
    truncated.write_bytes(saved(tmp_path / "whole.nii.gz", mask, geometry).read_bytes()[:-40])
    unknown = mask.copy()
    unknown[0, 0, 0] = 77
    refusals = [
        (saved(tmp_path / "mirrored.nii.gz", mask, other), "is not the volume's"),
        (
            saved(tmp_path / "unknown.nii.gz", unknown, geometry),
            "labels of this project: 77. Give its labels the project's numbers",
        ),
        (truncated, "incomplete"),
    ]
    page.get_by_label("What the mask is").select_option("ground_truth")
    for path, words in refusals:
        drop.set_input_files(path)
        page.locator(".message.error").get_by_text(words).wait_for(timeout=20_000)
    assert api.get(f"/v1/volumes/{volume_id}/masks").json()["items"] == []
    page.get_by_text("Annotated in the mask: all 7 labels").click()
    for name in ("brainstem", "mandible"):
        page.get_by_label(f"{name} annotated").uncheck()
    page.get_by_text("Annotated in the mask: 5 of 7 labels").wait_for()
    drop.set_input_files(saved(tmp_path / "truth.nii.gz", mask, geometry))
    page.get_by_text("Ground truth by").first.wait_for(timeout=30_000)
    ras, _ = reorient(mask, geometry, "RAS")
    assert np.array_equal(seen(page), ras)
    (stored,) = api.get(f"/v1/volumes/{volume_id}/masks").json()["items"]
    assert stored["reviewed"]["labels"] == [2, 3, 4, 6, 7]
    page.get_by_text("REVIEWED IN PART", exact=True).wait_for(timeout=20_000)


def test_a_refused_mask_leaves_its_ct_in_the_worklist(page: Page, tmp_path: Path) -> None:
    geometry = grid_of("RAS")
    elsewhere = Geometry(geometry.shape, geometry.affine @ np.diag([1.0, 1, -1, 1]))
    files = [
        saved(tmp_path / "a.nii.gz", values_of(geometry, 90), geometry),
        saved(tmp_path / "a-label.nii.gz", np.ones(geometry.shape, np.uint8), elsewhere),
    ]
    page.get_by_label("What the mask is").select_option("ground_truth")
    page.locator("input[type=file]").set_input_files(files)
    page.get_by_text("The CT is uploaded and in the worklist. Its mask is not").wait_for(timeout=30_000)
    page.get_by_text("new", exact=True).first.wait_for(timeout=20_000)
