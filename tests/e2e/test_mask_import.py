"""A DICOM mask is added in the page: what its structures are is asked where nobody can tell, and the file is sent once."""

import os
import tempfile
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from segloop.imaging.dicom.archive import series_in
from segloop.imaging.dicom.series import Series, require_volume
from tests.contours import box, contour, rtstruct
from tests.dicom_series import slices, voxels, write, zipped
from tests.e2e.drawing import origin

PICTURES = Path(os.environ.get("SEGLOOP_PICTURES") or tempfile.gettempdir())
pytestmark = pytest.mark.browser


def series_of(files: list[Path]) -> Series:
    (headers,) = series_in(files)
    return require_volume(headers)


def test_structures_are_told_apart_by_hand_and_the_mask_says_what_was_left_out(
    page: Page, api: httpx.Client, tmp_path: Path
) -> None:
    files = write(tmp_path / "ct", slices(voxels((40, 36, 24)), seed="imported in the page"))
    body = zipped(tmp_path / "ct.zip", files).read_bytes()
    made = api.post("/v1/projects/default/uploads", json={"size_bytes": len(body)}).json()
    api.put(f"/v1/uploads/{made['id']}/parts/1", content=body).raise_for_status()
    volume = api.post(f"/v1/uploads/{made['id']}/complete").raise_for_status().json()
    series = series_of(files)
    structures = {
        "Mandible": [contour(series, z, box(4, 4, 9, 9)) for z in (5, 6)],
        "Larynx (old)": [contour(series, z, box(20, 20, 30, 25)) for z in (5, 6)],
        "BODY": [contour(series, z, box(1, 1, 39, 35)) for z in range(4, 8)],
    }
    contours = rtstruct(series, structures)
    contours.ApprovalStatus = "UNAPPROVED"
    contours.save_as(tmp_path / "contours.dcm", enforce_file_format=True)

    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/parts/" in request.url else None)
    page.goto(f"{origin(page)}/segment?volume={volume['id']}")
    page.get_by_role("button", name="Add a mask").click(timeout=20_000)
    page.get_by_text("DICOM SEG or RTSTRUCT of its series").wait_for(timeout=10_000)
    box_of_files = page.locator("input[type=file]")
    box_of_files.set_input_files(tmp_path / "contours.dcm")
    page.get_by_text("Say first what the mask is").wait_for(timeout=20_000)
    assert not sent
    page.get_by_label("What the mask is").select_option("ground_truth")
    box_of_files.set_input_files(tmp_path / "contours.dcm")
    page.get_by_text("Is this ground truth?").wait_for(timeout=60_000)
    page.get_by_text("its approval status is UNAPPROVED").wait_for(timeout=5_000)
    page.screenshot(path=PICTURES / "mask-doubt.png")
    expect(page.get_by_role("button", name="Add as ground truth")).to_be_disabled()
    page.get_by_role("button", name="Add as another tool's result").click()
    page.get_by_text("Which label is each structure").wait_for(timeout=60_000)
    expect(page.get_by_label("Mandible is")).to_have_value("mandible")
    page.screenshot(path=PICTURES / "mask-names.png")
    go = page.get_by_role("button", name="Add this mask")
    expect(go).to_be_disabled()
    page.get_by_label("Larynx (old) is").select_option("larynx")
    page.get_by_label("BODY is").select_option("esophagus")
    go.click()
    page.locator(".message.error").get_by_text("share voxels").wait_for(timeout=60_000)
    page.get_by_label("Larynx (old) is").select_option("larynx")
    page.get_by_label("BODY is").select_option("leave out")
    page.get_by_role("button", name="Add this mask").click()
    page.get_by_text("1 structure left out as asked").first.wait_for(timeout=60_000)
    assert len(sent) == 1
    (mask,) = api.get(f"/v1/volumes/{volume['id']}/masks").json()["items"]
    counts = {
        one["name"]: one["voxels"] for one in api.get(f"/v1/masks/{mask['id']}/statistics").json()["labels"]
    }
    assert {name: n for name, n in counts.items() if n} == {"mandible": 50, "larynx": 100}
    assert len(mask["reviewed"]["labels"]) == 2 and mask["kind"] == "imported"


def test_a_ct_and_its_contours_are_dropped_together_and_given_up_while_a_name_is_asked(
    page: Page, api: httpx.Client, tmp_path: Path
) -> None:
    files = write(tmp_path / "ct", slices(voxels((40, 36, 24), seed=5), seed="dropped together"))
    zipped(tmp_path / "a_seg.zip", files)
    structures = {"Gland": [contour(series_of(files), z, box(4, 4, 9, 9)) for z in (5, 6)]}
    contours = rtstruct(series_of(files), structures)
    contours.ApprovalStatus = "UNAPPROVED"
    contours.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    drop = page.locator("input[type=file]")
    page.get_by_label("What the mask is").select_option("ground_truth")
    drop.set_input_files([tmp_path / "a.dcm", tmp_path / "a_seg.zip"])
    page.get_by_text("Is this ground truth?").wait_for(timeout=60_000)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("The upload was cancelled.").wait_for(timeout=20_000)
    drop.set_input_files([tmp_path / "a.dcm", tmp_path / "a_seg.zip"])
    page.get_by_label("A person has looked at every part of it").check(timeout=60_000)
    page.get_by_role("button", name="Add as ground truth").click()
    page.get_by_label("Gland is").select_option("parotid_left", timeout=60_000)
    page.screenshot(path=PICTURES / "mask-names-worklist.png")
    page.get_by_role("button", name="Add this mask").click()
    page.get_by_text("Ground truth by").first.wait_for(timeout=60_000)
    volume_id = page.url.partition("volume=")[2]
    (mask,) = api.get(f"/v1/volumes/{volume_id}/masks").json()["items"]
    assert (mask["notes"], mask["reviewed"]["labels"]) == ([], [4])
