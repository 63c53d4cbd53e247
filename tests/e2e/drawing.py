"""Draws with the mouse in the editor, and reckons in numpy what must come of it."""

import gzip
from collections.abc import Sequence

import httpx
import nibabel
import numpy as np
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page

from segloop.imaging.geometry import Geometry

SHAPE = (36, 30, 24)
SPACING = (2.0, 2.5, 4.0)  # of the RAS axes
PLANES = {"axial": (0, (0, 1)), "coronal": (1, (0, 2)), "sagittal": (2, (1, 2))}
RADIUS_MM = 5


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


def values_of(geometry: Geometry, seed: int) -> NDArray[np.int16]:
    """A CT's voxels in the geometry's own order: noise, and air at one side."""
    array = np.random.default_rng(seed).integers(-200, 300, geometry.shape, dtype=np.int16)
    array[0] = -1000
    return array


def upload(
    api: httpx.Client, geometry: Geometry, seed: int, *, array: NDArray[np.int16] | None = None
) -> str:
    """Upload a CT and return its volume's id."""
    array = values_of(geometry, seed) if array is None else array
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
        self.wait()

    def wait(self) -> None:
        """Wait until the draft can be edited."""
        self.viewer.wait_for(timeout=60_000)
        self.page.locator("[data-state=saved]").wait_for(timeout=60_000)

    @property
    def viewer(self) -> Locator:
        return self.page.locator("[data-ready=full]")

    def choose(self, tool: str, label: str | None = None) -> None:
        self.page.get_by_role("button", name=tool, exact=True).click()
        if label:
            self.page.get_by_label("Label to draw").select_option(label=label)
        if tool in ("Brush", "Erase"):
            self.page.get_by_label("Brush radius in mm").fill(str(RADIUS_MM))

    def point(self, plane: str, voxel: Sequence[int]) -> tuple[float, float]:
        """Return where a voxel's middle is on the page."""
        number, _ = PLANES[plane]
        x, y = self.viewer.evaluate("(root, [n, at]) => root.segloop.pointOf(n, at)", [number, list(voxel)])
        return float(x), float(y)

    def look_at(self, voxel: Sequence[int]) -> None:
        """Move the crosshair to a voxel."""
        self.viewer.evaluate("(root, at) => root.segloop.setCrosshair(...at)", list(voxel))

    def click(self, plane: str, voxel: Sequence[int]) -> None:
        """Click on a voxel of a plane."""
        self.look_at(voxel)
        self.page.mouse.click(*self.point(plane, voxel))

    def stroke(
        self,
        plane: str,
        start: Sequence[int],
        stop: Sequence[int],
        value: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
    ) -> None:
        """Press on one voxel, go straight along one axis to another, let go; only `allowed` voxels may change."""
        self.look_at(start)
        points = [self.point(plane, at) for at in (start, stop)]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        self.page.mouse.move(*points[1], steps=4)
        self.page.mouse.up()
        self.past.append(self.expected.copy())
        free = np.ones(SHAPE, bool) if allowed is None else allowed
        self.expected[self.swept(plane, start, stop) & free] = value

    def swept(self, plane: str, start: Sequence[int], stop: Sequence[int]) -> NDArray[np.bool_]:
        """Return the voxels under a straight stroke of the round brush."""
        found = np.zeros(SHAPE, bool)
        for step in np.linspace(0, 1, 60):
            middle = np.rint(np.array(start) + step * (np.array(stop) - np.array(start))).astype(int)
            found |= self._disc(plane, middle)
        return found

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

    def found(self) -> NDArray[np.int_]:
        """Return every voxel that the page holds."""
        voxels = self.viewer.evaluate("root => Array.from(root.segloop.app.store.scene.mask.voxels)")
        return np.array(voxels).reshape(SHAPE, order="F")

    def check(self) -> None:
        """Compare every voxel that the page holds."""
        found = self.found()
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
        self.wait()


def origin(page: Page) -> str:
    """Return where the pages are served."""
    return "/".join(page.url.split("/")[:3])


def draw_on_nothing(page: Page, volume_id: str) -> Drawing:
    """Open a CT without a mask and begin to draw one."""
    page.goto(f"{origin(page)}/segment?volume={volume_id}")
    page.get_by_role("button", name="Draw a mask").click(timeout=30_000)
    return Drawing(page)
