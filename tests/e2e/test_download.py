"""A mask of a DICOM study is downloaded in the page in every form, and each opens."""

import os
import tempfile
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from playwright.sync_api import Page

from segloop.imaging.dicom.result import Form
from tests.dicom_series import slices, voxels, write, zipped
from tests.e2e.drawing import origin
from tests.integration.editing import upload_mask
from tests.integration.test_dicom import send

PICTURES = Path(os.environ.get("SEGLOOP_PICTURES") or tempfile.gettempdir())
pytestmark = pytest.mark.browser


def test_every_form_is_offered_in_one_place_and_downloaded(
    page: Page, api: httpx.Client, tmp_path: Path
) -> None:
    ct = voxels((40, 36, 24), seed=8)
    files = write(tmp_path / "ct", slices(ct, seed="download"))
    volume = send(api, zipped(tmp_path / "ct.zip", files)).json()  # type: ignore[arg-type]
    drawn = np.zeros(ct.shape, np.uint8)
    drawn[5:20, 6:20, 4:12] = 3
    upload_mask(api, volume, drawn, np.array(volume["affine"]).reshape(4, 4))  # type: ignore[arg-type]
    page.goto(f"{origin(page)}/segment?volume={volume['id']}")
    page.get_by_role("button", name="Download mask").click(timeout=60_000)
    links = page.locator("a[href*='/dicom/']")
    links.nth(len(Form) - 1).wait_for(timeout=20_000)
    page.screenshot(path=PICTURES / "download.png")
    found = set()
    for link in links.all():
        with page.expect_download(timeout=60_000) as download:
            link.evaluate("a => { a.target = '_self'; a.click() }")
        download.value.save_as(tmp_path / "result.dcm")
        made = pydicom.dcmread(tmp_path / "result.dcm")
        assert made.PatientID == "PID-4711-Q" and "research use only" in made.SeriesDescription
        found.add(made.SeriesNumber)
    assert len(found) == len(Form)
