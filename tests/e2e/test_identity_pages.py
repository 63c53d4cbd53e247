"""Names in a real browser on the whole stack: shown, hidden, searched for, and in none of the stack's logs."""

import os
import tempfile
import zipfile
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from segloop.imaging.phantom import head_and_neck
from segloop.settings import Settings
from segloop.stack import state
from tests.dicom_series import slices, write, zipped
from tests.e2e.drawing import origin
from tests.integration.editing import upload_mask
from tests.learning import store_of

pytestmark = pytest.mark.browser

NAMES = {1: "Canary^Carla", 2: "Mockingbird-Oystercatcher^Maximiliana Wilhelmina"}
WORDS = ("Canary", "Carla", "Mockingbird", "PID-4711-Q", "1960-01-02", "19600102", "ACC-9")
PICTURES = Path(os.environ.get("SEGLOOP_PICTURES") or tempfile.gettempdir())


def send(api: httpx.Client, folder: Path, seed: int) -> str:
    """Upload a phantom as the DICOM of a named patient; return its volume."""
    # DICOM's axes are LPS; a phantom that lies as a scanner would write it.
    ct, _, _ = head_and_neck(shape=(96, 72, 60), spacing_mm=(4, 4, 5), orientation="LPS", seed=seed)
    found = slices(ct, pixel_spacing=(4, 4), spacing=5, patient=NAMES[seed], seed=f"page {seed}")
    for header in found:
        header.StudyDescription = "CT neck with contrast"
    archive = zipped(folder / f"{seed}.zip", write(folder / str(seed), found))
    body = archive.read_bytes()
    made = api.post("/v1/projects/default/uploads", json={"size_bytes": len(body)}).json()
    for number in range(1, made["n_parts"] + 1):
        part = body[(number - 1) * made["part_bytes"] : number * made["part_bytes"]]
        assert api.put(f"/v1/uploads/{made['id']}/parts/{number}", content=part).status_code == 200
    done = api.post(f"/v1/uploads/{made['id']}/complete")
    assert done.status_code in (200, 201), done.text
    return str(done.json()["id"])


@pytest.fixture
def cases(api: httpx.Client, tmp_path: Path) -> list[str]:
    return [send(api, tmp_path, seed) for seed in NAMES]


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768)])
def test_names_are_shown_hidden_and_searched_for(
    page: Page, cases: list[str], width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(origin(page))
    expect(page.get_by_text("Canary, Carla")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("born 1960-01-02 F").first).to_be_visible()
    button = page.get_by_test_id("stButton").get_by_role("button", name="Open").first
    button.wait_for(timeout=20_000)
    place = button.bounding_box()
    assert place is not None and place["x"] + place["width"] <= width and place["height"] < 50
    page.screenshot(path=PICTURES / f"identity-worklist-{width}x{height}.png")

    box = page.get_by_placeholder("Find a patient: name, ID, accession")
    box.fill("canary, c")
    box.press("Enter")
    expect(page.get_by_text("Mockingbird")).to_have_count(0, timeout=20_000)
    expect(page.get_by_text("Canary, Carla")).to_be_visible()
    page.screenshot(path=PICTURES / f"identity-search-{width}x{height}.png")
    page.get_by_test_id("stButton").get_by_role("button", name="Open").click()
    page.locator("[data-ready=full]").wait_for(timeout=60_000)
    expect(page.get_by_text("accession ACC-9")).to_be_visible(timeout=20_000)
    page.screenshot(path=PICTURES / f"identity-case-{width}x{height}.png")
    assert not any(word in page.url or word in page.title() for word in WORDS)

    page.get_by_text("Hide names").click()
    expect(page.get_by_text("Canary")).to_have_count(0, timeout=20_000)
    page.locator("[data-ready=full]").wait_for(timeout=60_000)
    assert not any(word in page.content() for word in WORDS)
    page.screenshot(path=PICTURES / f"identity-hidden-{width}x{height}.png")
    page.get_by_role("button", name="Worklist").click()
    page.get_by_test_id("stButton").get_by_role("button", name="Open").first.wait_for(timeout=20_000)
    expect(page.get_by_text("P-").first).to_be_visible()
    assert not any(word in page.content() for word in WORDS), "hidden on one page, hidden on all"
    expect(page.get_by_placeholder("Find a patient: name, ID, accession")).to_have_count(0)
    page.get_by_text("Hide names").click()
    expect(page.get_by_text("Canary, Carla")).to_be_visible(timeout=20_000)


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768)])
def test_a_case_leaves_for_research_without_a_name(
    page: Page, cases: list[str], api: httpx.Client, width: int, height: int, tmp_path: Path
) -> None:
    volume = api.get(f"/v1/volumes/{cases[0]}").json()
    if not api.get(f"/v1/volumes/{cases[0]}/masks").json()["items"]:
        drawn = np.zeros(volume["shape"], np.uint8)
        drawn[30:60, 20:50, 20:40] = 3
        upload_mask(api, volume, drawn, np.array(volume["affine"]).reshape(4, 4))
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{origin(page)}/segment?volume={cases[0]}")
    page.locator("[data-ready=full]").wait_for(timeout=60_000)
    page.get_by_role("button", name="For research").click()
    expect(page.get_by_text("A face can be recognised")).to_be_visible(timeout=20_000)
    page.wait_for_timeout(500)
    page.screenshot(path=PICTURES / f"identity-research-{width}x{height}.png")
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("link", name="The CT and this mask as DICOM").click()
    download.value.save_as(tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as packed:
        names = packed.namelist()
        assert len(names) == volume["shape"][2] + 2 and "mask/seg.dcm" in names
        for name in names:
            assert not any(word.encode() in packed.read(name) for word in WORDS), name


def test_what_pages_show_is_in_no_log_metric_object_or_address(
    page: Page, cases: list[str], api: httpx.Client, home: Path
) -> None:
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(origin(page))
    box = page.get_by_placeholder("Find a patient: name, ID, accession")
    box.wait_for(timeout=60_000)
    for text in ("canary", "PID-4711-Q", "nobody of this name"):
        box.fill(text)
        box.press("Enter")
        page.wait_for_timeout(1_500)
    expect(page.get_by_text("No CT of such a patient")).to_be_visible(timeout=20_000)
    # Whoever takes the other box for the patient's must not write the name into the access log either.
    other = page.get_by_placeholder("Search by case reference")
    box.fill("")
    box.press("Enter")
    other.fill("Canary")
    other.press("Enter")
    expect(page.get_by_text("No case matches.")).to_be_visible(timeout=20_000)
    settings = Settings.from_env(state.environment(home))
    logs = {file.name: file.read_text(errors="replace") for file in (home / "log").iterdir()}
    assert len(logs) >= 5 and any("/v1/identities/search" in text for text in logs.values())
    kept = {
        **logs,
        "metrics": api.get("/metrics").text,
        "worklist": api.get("/v1/projects/default/worklist").text,
        "jobs": api.get("/v1/jobs").text,
        "addresses": "\n".join(addresses),
    }
    store = store_of(settings)
    kept |= {f"object {item.key}": item.key for item in store.list_("")}
    for place, text in kept.items():
        for word in (*WORDS, "nobody of this name", "nobody%20of"):
            assert word.casefold() not in text.casefold(), (place, word)
    for item in store.list_("volumes/"):
        body = store.read(item.key)
        assert not any(word.encode() in body for word in WORDS), item.key


def test_every_look_is_on_record(page: Page, cases: list[str], home: Path) -> None:
    from sqlalchemy import text

    from segloop.database import open_engine, transaction

    engine = open_engine(Settings.from_env(state.environment(home)).owner_database_url)

    def looks() -> int:
        query = "SELECT count(*) FROM audit_events WHERE action = 'identity.viewed' AND object_id = :v"
        with transaction(engine) as conn:
            return int(conn.execute(text(query), {"v": cases[0]}).scalar_one())

    before = looks()
    page.goto(origin(page))
    expect(page.get_by_text("Canary, Carla")).to_be_visible(timeout=60_000)
    page.wait_for_timeout(12_000)  # the list renews itself every five seconds, and that is no other look
    assert looks() == before + 1
    page.goto(f"{origin(page)}/segment?volume={cases[0]}")
    expect(page.get_by_text("accession ACC-9")).to_be_visible(timeout=60_000)
    assert looks() == before + 2
    engine.dispose()
