"""OHIF shows our Segmentation on the study, from the PACS: names, colours, and each organ on its side."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from segloop.imaging.phantom import head_and_neck
from tests import ohif, orthanc
from tests.dicom_series import slices, write, zipped
from tests.e2e.viewer_page import FLAGS
from tests.integration.editing import upload_mask
from tests.integration.test_dicom import send

ORGANS = ("brainstem", "spinal_cord", "parotid_right", "parotid_left", "mandible", "larynx", "esophagus")


@pytest.fixture(scope="module", autouse=True)
def third_party() -> None:
    missing = [*orthanc.missing(), *ohif.missing()]
    if missing and os.environ.get("CI"):
        pytest.fail(f"these are needed in CI: {missing}")
    if missing:
        pytest.skip(f"NOT RUN: install {', '.join(missing)}")


@pytest.fixture
def viewer() -> Iterator[Page]:
    """A browser page that asks nothing of any other machine."""
    outside: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"), args=FLAGS
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.on(
            "request",
            lambda asked: (
                asked.url.startswith(("http://127.0.0.1", "data:", "blob:")) or outside.append(asked.url)
            ),
        )
        yield page
        browser.close()
    assert outside == []


def test_ohif_shows_the_segmentation(api: httpx.Client, viewer: Page, tmp_path: Path) -> None:
    ct, labels, _ = head_and_neck(
        shape=(96, 96, 40), spacing_mm=(4.0, 4.0, 6.0), orientation="LPS", variation=0.0
    )
    datasets = slices(ct, pixel_spacing=(4.0, 4.0), spacing=6.0, patient="Phantom^Head and neck")
    files = write(tmp_path / "ct", datasets)
    volume = send(api, zipped(tmp_path / "ct.zip", files)).json()
    mask = upload_mask(api, volume, labels, np.reshape(volume["affine"], (4, 4)))
    seg = api.get(f"/v1/masks/{mask['id']}/dicom/seg").content

    pacs = orthanc.new(tmp_path / "orthanc", "STORESCU")
    with pacs.running(), ohif.serving(pacs) as address:
        with pacs.http as http:
            for body in [*(file.read_bytes() for file in files), seg]:
                assert http.post("/instances", content=body).status_code == 200
        study = datasets[0].StudyInstanceUID
        viewer.goto(f"{address}/segmentation?StudyInstanceUIDs={study}")
        viewer.locator('[data-cy="study-browser-thumbnail-no-image"]').first.dblclick(timeout=120_000)
        viewer.locator('[data-cy="yes-hydrate-btn"]').click(timeout=120_000)
        for organ in ORGANS:
            viewer.get_by_text(organ, exact=True).first.wait_for(timeout=60_000)
        _jump_to(viewer, "parotid_right")
        picture = tmp_path / "ohif.png"
        viewer.screenshot(path=picture)
        canvas = viewer.locator("canvas").first.bounding_box()
    assert canvas is not None
    left, top = int(canvas["x"]), int(canvas["y"])
    shown = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    shown = shown[top : top + int(canvas["height"]), left : left + int(canvas["width"])]
    colours = {
        one["name"]: one["color"]
        for one in api.get("/v1/projects/default/label-sets").json()["items"][0]["labels"]
    }
    middle = shown.shape[1] / 2
    # The patient's right is on the left of the picture, as the letter R beside it says.
    assert _columns(shown, colours["parotid_right"]).max() < middle
    assert _columns(shown, colours["parotid_left"]).min() > middle


def _jump_to(viewer: Page, organ: str) -> None:
    """Have the viewer show the middle slice of an organ."""
    viewer.get_by_text(organ, exact=True).first.click()
    viewer.wait_for_timeout(5000)  # for the picture itself; nothing in the page says when it is drawn


def _columns(shown: NDArray[Any], colour: str) -> NDArray[Any]:
    """Return the columns of a picture (row, column, RGB) where the outline of a colour like #rrggbb is."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    columns = np.nonzero(np.abs(shown - wanted).max(axis=2) < 40)[1]
    assert columns.size > 20, f"nothing of {colour} is shown"
    return columns
