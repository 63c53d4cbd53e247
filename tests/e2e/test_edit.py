"""Editing in a real browser: exactly the drawn voxels change, in every plane and orientation, and nothing is lost."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page

from segloop.imaging.geometry import Geometry, reorient
from segloop.settings import Settings
from segloop.stack import state

pytestmark = pytest.mark.browser

SHAPE = (36, 30, 24)
SPACING = (2.0, 2.5, 4.0)  # of the RAS axes
PLANES = {"axial": (0, (0, 1)), "coronal": (1, (0, 2)), "sagittal": (2, (1, 2))}
RADIUS_MM = 5


@pytest.fixture
def api(home: Path) -> Iterator[httpx.Client]:
    settings = Settings.from_env(state.environment(home))
    headers = {"Authorization": f"Bearer {settings.token}"}
    with httpx.Client(base_url=settings.api_url, headers=headers, timeout=30) as client:
        yield client


def grid_of(codes: str) -> Geometry:
    """The same field of view in another index order; oblique for RAS, so that slices follow the grid."""
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = (-30, -40, 10)
    if codes == "RAS":
        angle = 0.2
        turn = np.eye(4)
        turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        affine = turn @ affine
    change = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(tuple(codes)))
    shape = np.empty(3, int)
    shape[change[:, 0].astype(int)] = SHAPE
    return Geometry(tuple(shape.tolist()), affine @ inv_ornt_aff(change, SHAPE))  # type: ignore[arg-type]


def upload(api: httpx.Client, geometry: Geometry, seed: int) -> str:
    array = np.random.default_rng(seed).integers(-200, 300, geometry.shape, dtype=np.int16)
    array[0] = -1000
    image = nibabel.Nifti1Image(array, geometry.affine)  # type: ignore[no-untyped-call]
    body = gzip.compress(image.to_bytes(), 1)
    made = api.post("/v1/projects/default/uploads", json={"size_bytes": len(body)}).json()
    api.put(f"/v1/uploads/{made['id']}/parts/1", content=body).raise_for_status()
    return str(api.post(f"/v1/uploads/{made['id']}/complete").raise_for_status().json()["id"])


class Drawing:
    """Draws with the mouse, and keeps in numpy what must come of it, reckoned on its own (RAS order)."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.expected: NDArray[np.uint8] = np.zeros(SHAPE, np.uint8)
        self.past: list[NDArray[np.uint8]] = []
        self.viewer.wait_for(timeout=30_000)
        page.locator("[data-state=saved]").wait_for(timeout=20_000)

    @property
    def viewer(self) -> Locator:
        return self.page.locator("[data-ready=full]")

    def choose(self, tool: str, label: str | None = None) -> None:
        self.page.get_by_role("button", name=tool, exact=True).click()
        if label:
            self.page.get_by_label("Label to draw").select_option(label=label)
        self.page.get_by_label("Brush radius in mm").fill(str(RADIUS_MM))

    def stroke(self, plane: str, start: tuple[int, ...], stop: tuple[int, ...], value: int) -> None:
        """Press on one voxel, go straight along one axis to another, let go."""
        number, _ = PLANES[plane]
        self.viewer.evaluate("(root, at) => root.segloop.setCrosshair(...at)", list(start))
        points = [
            self.viewer.evaluate("(root, [n, at]) => root.segloop.pointOf(n, at)", [number, list(at)])
            for at in (start, stop)
        ]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        self.page.mouse.move(*points[1], steps=4)
        self.page.mouse.up()
        self.past.append(self.expected.copy())
        for step in np.linspace(0, 1, 60):
            middle = np.rint(np.array(start) + step * (np.array(stop) - np.array(start))).astype(int)
            self.expected[self._disc(plane, middle)] = value

    def _disc(self, plane: str, middle: NDArray[np.int_]) -> NDArray[np.bool_]:
        _, axes = PLANES[plane]
        index = np.indices(SHAPE)
        distance = sum(((index[axis] - middle[axis]) * SPACING[axis]) ** 2 for axis in axes)
        (normal,) = {0, 1, 2} - set(axes)
        return np.asarray((distance <= RADIUS_MM**2) & (index[normal] == middle[normal]))

    def undo(self) -> NDArray[np.uint8]:
        """Undo once and return what was there before."""
        self.page.get_by_role("button", name="Undo").click()
        undone, self.expected = self.expected, self.past.pop()
        return undone

    def check(self) -> None:
        """Compare every voxel that the page holds."""
        voxels = self.viewer.evaluate("root => Array.from(root.segloop.app.store.scene.mask.voxels)")
        found = np.array(voxels).reshape(SHAPE, order="F")
        wrong = np.argwhere(found != self.expected)
        assert not len(wrong), (
            len(wrong),
            wrong[:5],
            [(found[tuple(v)], self.expected[tuple(v)]) for v in wrong[:5]],
        )

    def reload(self) -> None:
        """Wait for the promise, then lose the page."""
        self.page.locator("[data-state=saved]").wait_for(timeout=10_000)
        self.page.reload()
        self.page.get_by_role("button", name="Go on editing").click(timeout=30_000)
        self.viewer.wait_for(timeout=30_000)
        self.page.locator("[data-state=saved]").wait_for(timeout=20_000)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SAL", "ASR", "IPL"])
def test_exactly_the_drawn_voxels_change(page: Page, home: Path, api: httpx.Client, codes: str) -> None:
    geometry = grid_of(codes)
    volume_id = upload(api, geometry, seed=sum(map(ord, codes)))
    page.goto(f"{page.url.partition('?')[0]}?volume={volume_id}")
    page.get_by_role("button", name="Draw a mask").click(timeout=30_000)
    drawing = Drawing(page)
    drawing.choose("Brush", "mandible")
    drawing.stroke("axial", (10, 8, 12), (22, 8, 12), 5)
    drawing.stroke("coronal", (18, 20, 5), (18, 20, 17), 5)
    drawing.choose("Brush", "larynx")
    drawing.stroke("sagittal", (30, 12, 10), (30, 22, 10), 6)
    drawing.check()
    redone = drawing.undo()
    drawing.check()
    page.get_by_role("button", name="Redo").click()
    drawing.past.append(drawing.expected)
    drawing.expected = redone
    drawing.choose("Erase")
    drawing.stroke("axial", (16, 8, 12), (18, 8, 12), 0)
    drawing.check()

    drawing.reload()
    drawing.check()
    drawing.undo()  # also what was done before the reload
    drawing.check()

    page.get_by_role("button", name="Finalize").click()
    page.get_by_role("dialog").get_by_role("button", name="Whole volume").click()
    page.get_by_text("Download mask").wait_for(timeout=30_000)
    (mask,) = api.get(f"/v1/volumes/{volume_id}/masks").json()["items"]
    assert mask["kind"] == "correction"
    assert mask["reviewed"]["whole"] is True
    content = api.get(f"/v1/masks/{mask['id']}/content").content
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(content))
    assert np.allclose(image.affine, geometry.affine, atol=1e-4)
    stored, _ = reorient(np.asarray(image.dataobj), geometry, "RAS")  # type: ignore[attr-defined]
    assert np.array_equal(stored, drawing.expected)


def test_a_stroke_given_up_with_escape_leaves_no_trace_and_no_damage(
    page: Page, home: Path, api: httpx.Client
) -> None:
    volume_id = upload(api, grid_of("RAS"), seed=3)
    page.goto(f"{page.url.partition('?')[0]}?volume={volume_id}")
    page.get_by_role("button", name="Draw a mask").click(timeout=30_000)
    drawing = Drawing(page)
    drawing.choose("Brush", "larynx")
    start = drawing.viewer.evaluate("root => root.segloop.pointOf(0, [10, 8, 12])")
    drawing.viewer.evaluate("root => root.segloop.setCrosshair(10, 8, 12)")
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + 20, start[1], steps=3)
    page.keyboard.press("Escape")
    page.mouse.up()
    drawing.check()
    drawing.choose("Brush", "larynx")
    drawing.stroke("axial", (10, 8, 12), (14, 8, 12), 6)
    drawing.reload()
    drawing.check()


def test_a_finalized_correction_takes_feedback_with_what_it_cost(
    page: Page, home: Path, api: httpx.Client
) -> None:
    volume_id = upload(api, grid_of("LPS"), seed=2)
    page.goto(f"{page.url.partition('?')[0]}?volume={volume_id}")
    page.get_by_role("button", name="Draw a mask").click(timeout=30_000)
    drawing = Drawing(page)
    drawing.choose("Brush", "larynx")
    drawing.stroke("axial", (10, 8, 12), (14, 8, 12), 6)
    page.get_by_role("button", name="Slice reviewed").click()
    drawing.reload()
    drawing.viewer.evaluate("root => root.segloop.setCrosshair(10, 8, 5)")
    page.get_by_role("button", name="Slice reviewed").click()
    page.get_by_role("button", name="Finalize").click()
    page.get_by_role("button", name="Feedback").click(timeout=30_000)
    page.get_by_role("textbox", name="Notes").fill("lower pole")
    page.get_by_role("button", name="Submit feedback").click()
    page.get_by_text("Your feedback is stored").wait_for(timeout=20_000)
    (given,) = api.get(f"/v1/volumes/{volume_id}/feedback").json()["items"]
    assert (given["verdict"], given["notes"]) == ("corrected", "lower pole")
    assert given["voxels_changed"] == int((drawing.expected > 0).sum())
    assert sorted(given["reviewed"]["axial"]) == [[5, 5], [12, 12]]


def test_strokes_made_while_the_api_is_away_are_saved_when_it_is_back(
    page: Page, home: Path, api: httpx.Client
) -> None:
    volume_id = upload(api, grid_of("RAS"), seed=1)
    page.goto(f"{page.url.partition('?')[0]}?volume={volume_id}")
    page.get_by_role("button", name="Draw a mask").click(timeout=30_000)
    drawing = Drawing(page)
    drawing.choose("Brush", "brainstem")
    away: Any = lambda route: route.abort()  # noqa: E731
    page.route("**/entries/**", away)
    drawing.stroke("axial", (10, 8, 12), (14, 8, 12), 1)
    drawing.stroke("axial", (20, 8, 12), (24, 8, 12), 1)
    page.locator("[data-state=offline]").wait_for(timeout=10_000)
    page.unroute("**/entries/**", away)
    page.locator("[data-state=saved]").wait_for(timeout=20_000)
    drawing.reload()
    drawing.check()
