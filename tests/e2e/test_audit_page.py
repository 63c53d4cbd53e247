"""The page Audit: what was done is there, by kind and by whom, and can be downloaded."""

from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from tests.dicom_series import slices, voxels, write, zipped
from tests.integration.test_dicom import send


def test_what_was_done_is_shown_and_can_be_downloaded(api: httpx.Client, page: Page, tmp_path: Path) -> None:
    files = write(tmp_path / "ct", slices(voxels(seed=78), seed="audit"))
    volume = send(api, zipped(tmp_path / "ct.zip", files)).json()
    assert httpx.get(f"{api.base_url}/v1/projects").status_code == 401
    page.get_by_role("link", name="Audit").click()
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible(timeout=60_000)
    page.get_by_placeholder("Id of a CT, mask or job").fill(volume["id"])
    page.keyboard.press("Enter")
    expect(table).to_contain_text("volume.uploaded", timeout=30_000)
    page.get_by_placeholder("Id of a CT, mask or job").fill("")
    page.keyboard.press("Enter")
    page.get_by_text("Refused", exact=True).click()
    expect(table).to_contain_text("access.refused", timeout=30_000)
    expect(table).to_contain_text("not signed in; GET /projects; from 127.0.0.1", timeout=30_000)
    page.get_by_text("Sign-ins", exact=True).click()
    expect(table).to_contain_text("person admin", timeout=30_000)
    expect(table).not_to_contain_text("access.refused")
    page.get_by_text("All", exact=True).click()
    expect(table).to_contain_text("volume.uploaded", timeout=30_000)
    for width, height in ((1440, 900), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(1_000)
        page.screenshot(path=tmp_path / f"audit-{width}x{height}.png")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all").click()
    assert "volume.uploaded" in Path(download.value.path()).read_text()
