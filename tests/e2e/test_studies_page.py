"""The page Studies: what a gateway received and why something was refused, and what a person can do about it."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from playwright.sync_api import Page, expect

from tests.dicom_series import slices, voxels, write, zipped
from tests.integration.editing import upload_mask
from tests.integration.test_dicom import send
from tests.integration.test_studies import AET, STATE

PICTURES = Path(os.environ.get("SEGLOOP_PICTURES") or tempfile.gettempdir())
IDENTITY = {
    "patient_name": "Muster^Anna",
    "patient_id": "4711",
    "birth_date": "19600102",
    "study_date": "20261101",
    "accession": "ACC-9",
    "study_description": "Neck with contrast",
    "series_description": "Soft tissue 1.5",
    "study_uid": "1.2.3",
    "series_uid": "1.2.3.4",
}


def report(api: httpx.Client, key: str, **changes: Any) -> None:
    body = {
        "route": "c-store",
        "sender": "CT-SCANNER-2",
        "stage": "receiving",
        "n_instances": 214,
        "rule": "neck",
        "received_at": "2026-11-30T10:00:00Z",
        "identity": IDENTITY,
    }
    answer = api.put(f"/v1/gateways/{AET}/series/{key}", json=body | changes)
    assert answer.status_code == 204, answer.text


def test_the_page_tells_what_became_of_each_series(
    home: Path, api: httpx.Client, page: Page, tmp_path: Path
) -> None:
    page.get_by_role("link", name="Studies").click()
    begun = re.compile("No gateway has reported yet|Nothing was received yet|Gateway ")
    expect(page.get_by_text(begun).first).to_be_visible(timeout=60_000)  # other tests may have had a gateway

    api.put(f"/v1/gateways/{AET}", json=STATE)
    files = write(tmp_path / "ct", slices(voxels(seed=77), seed="page"))
    volume = send(api, zipped(tmp_path / "ct.zip", files)).json()
    mask = upload_mask(api, volume, np.ones((14, 12, 8), np.uint8), np.array(volume["affine"]).reshape(4, 4))
    of_mask = {"mask_id": mask["id"], "ended_at": "2026-11-30T10:30:00Z"}
    delivered = {"destination": "pacs", "form": "seg", "state": "superseded", "code": "destination_refuses"}
    report(
        api,
        "a-0",
        stage="done",
        volume_id=volume["id"],
        project="default",
        deliveries=[
            delivered | {"message": "pacs takes no Segmentation Storage; it gets another form."},
            {"destination": "pacs", "form": "pdf", "state": "verified", **of_mask},
        ],
    )
    report(
        api,
        "b-0",
        stage="failed",
        code="dicom_missing_slices",
        message="Slices are missing at z = 12.5 mm. Send the whole series.",
        identity=IDENTITY | {"series_uid": "1.2.3.5", "series_description": "Bone 1.0"},
    )
    report(
        api,
        "c-0",
        stage="ignored",
        code="not_routed",
        message="No rule takes this series.",
        rule="",
        received_at="2026-11-30T09:00:00Z",
        identity=IDENTITY | {"patient_name": "Beispiel^Bernd", "study_uid": "1.2.4", "series_uid": "1.2.4.1"},
    )
    page.reload()
    expect(page.get_by_text("Muster, Anna")).to_have_count(1, timeout=60_000)  # one study, two series
    expect(page.get_by_text("Slices are missing at z = 12.5 mm")).to_be_visible()
    expect(page.get_by_text("dicom_missing_slices")).to_be_visible()
    expect(page.get_by_text("PDF report to pacs")).to_be_visible()
    expect(page.get_by_text(re.compile(f"Mask: imported by local, .*{mask['id'][-6:]}"))).to_be_visible()
    page.screenshot(path=PICTURES / "studies-1440x900.png", full_page=False)

    # Who shares the screen hides the names.
    page.get_by_text("Hide names").click()
    expect(page.get_by_text("Muster, Anna")).to_have_count(0)
    assert "Muster" not in page.content()
    page.reload()  # another session of the same browser
    expect(page.get_by_text("Soft tissue 1.5")).to_have_count(0)
    expect(page.get_by_text("PDF report to pacs")).to_be_visible(timeout=60_000)
    assert "Muster" not in page.content()
    page.get_by_text("Hide names").click()
    expect(page.get_by_text("Muster, Anna")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Muster, Anna")).to_be_visible(timeout=60_000)

    # No volume can ever be made of what was refused for its slices.
    page.get_by_text("Refused or failed").first.click()
    expect(page.get_by_text("Muster, Anna")).to_be_visible(timeout=30_000)
    expect(page.get_by_test_id("stButton").get_by_role("button", name="Open")).to_have_count(
        0, timeout=30_000
    )
    expect(page.get_by_text("dicom_missing_slices")).to_be_visible()
    expect(page.get_by_role("button", name="Segment", exact=True)).to_have_count(0)

    # What no rule took is segmented after all: the gateway is asked once.
    page.get_by_text("Left alone").first.click()
    expect(page.get_by_role("button", name="Segment", exact=True)).to_have_count(1, timeout=30_000)
    page.get_by_role("button", name="Segment", exact=True).click()
    page.get_by_role("button", name="Segment it").click()
    expect(page.get_by_text("Asked the gateway to segment it")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Segment it")).to_be_hidden(
        timeout=30_000
    )  # or it would be another series'
    order = api.post(f"/v1/gateways/{AET}/orders/claim").json()
    assert (order["kind"], order["payload"]["series"]) == ("route", "c-0")

    # A test of the PACS shows what the gateway found.
    page.get_by_text(f"Gateway {AET}").click()
    expect(page.get_by_text("(?i)neck|head")).to_be_visible()
    expect(page.get_by_text("fewest_slices")).to_be_visible()
    page.get_by_role("button", name="Test").first.click()
    expect(page.get_by_text("Testing ...")).to_be_visible(timeout=30_000)
    order = api.post(f"/v1/gateways/{AET}/orders/claim", params={"wait": 20}).json()
    assert order["payload"] == {"name": "pacs"}
    tried = "C-ECHO from AE title SEGLOOP to AE title PACS at 10.0.0.5 port 104, without TLS"
    result = {
        "ok": False,
        "message": "pacs does not know SEGLOOP.",
        "tried": tried,
        "to_do": "Check that it runs.",
    }
    answer = {"state": "done", "result": result}
    api.post(f"/v1/gateways/{AET}/orders/{order['id']}/result", json=answer)
    expect(page.get_by_text("pacs does not know SEGLOOP")).to_be_visible(timeout=30_000)
    expect(page.get_by_text(f"Tried: {tried}")).to_be_visible()
    expect(page.get_by_text("Check that it runs.")).to_be_visible()
    page.screenshot(path=PICTURES / "studies-gateway-1440x900.png", full_page=True)
    page.set_viewport_size({"width": 1024, "height": 768})
    page.screenshot(path=PICTURES / "studies-gateway-1024x768.png")
    page.get_by_text("All", exact=True).first.click()
    expect(page.get_by_text("PDF report to pacs")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Segment", exact=True)).to_have_count(1, timeout=30_000)
    page.mouse.wheel(0, -5000)
    page.screenshot(path=PICTURES / "studies-1024x768.png")

    # The case is one click away.
    page.get_by_text("Delivered", exact=True).first.click()
    page.get_by_test_id("stButton").get_by_role("button", name="Open").first.click()
    expect(page).to_have_url(re.compile(volume["id"]), timeout=60_000)
