"""The viewer in a real Chromium: what is under the cursor, what is painted, and what a rerun must not lose."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from segloop.imaging.geometry import Geometry, reorient
from tests.e2e.viewer_page import FLAGS, Scene, Viewer, serve, watched_page

pytestmark = pytest.mark.browser

SPACING = np.array([1.5, 2.0, 3.0])
LABELS = [
    {"index": 1, "name": "first", "color": "#e6194b", "volume_ml": 1.25},
    {"index": 2, "name": "second", "color": [60, 180, 75], "volume_ml": 20.04},
    {"index": 300, "name": "three hundred", "color": "#4363d8", "volume_ml": None},
    {"index": 40000, "name": "forty thousand", "color": "#f58231", "volume_ml": 0.0},
]
AXES = ((0, 1, 2), (0, 2, 1), (1, 2, 0))  # of each plane: across, up, normal
BODY = 1500  # a window that no value of the volumes saturates
WINDOW = {"width": 2 * BODY, "level": 0, "preset": "Custom", "isSmooth": False}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with watched_page(browser, (1100, 760)) as page:
        yield page


def make_scene(
    shape: tuple[int, int, int], orientation: str = "RAS", *, oblique: bool = False, dtype: Any = np.int16
) -> Scene:
    """A volume of noise, so that any shift or flip shows, and a mask of blocks with small and large labels."""
    rng = np.random.default_rng(sum(shape))
    volume = rng.integers(-1000 if dtype == np.int16 else 0, 1000, size=shape).astype(dtype)
    mask = np.zeros(shape, np.uint16)
    n = [size // 4 for size in shape]
    for label, corner in ((1, (0, 0, 0)), (2, (1, 0, 0)), (300, (0, 1, 0)), (40000, (1, 1, 1))):
        where = tuple(slice(n[a] * (1 + c), n[a] * (2 + c)) for a, c in enumerate(corner))
        mask[where] = label
    affine = np.diag([*SPACING, 1.0])
    if oblique:
        turn = np.deg2rad(17)
        affine[:2, :2] = (
            np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ affine[:2, :2]
        )
    affine[:3, 3] = (-40.0, 25.0, 7.0)
    ras = Geometry(shape, affine)
    turned, geometry = reorient(volume, ras, orientation)
    small = np.where(mask > 255, 3, mask).astype(np.uint8)
    masks = {"wide": reorient(mask, ras, orientation)[0], "bytes": reorient(small, ras, orientation)[0]}
    return Scene(turned, geometry, masks)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with serve(make_scene((40, 36, 28))) as scene:
        yield scene


def expected_voxel(
    viewer: Viewer, pane: int, x: float, y: float, cross: list[int], *, radiological: bool = True
) -> list[float]:
    """Fractional voxel under a point of the page, from the box of the plane's pane and the grid alone."""
    box = viewer.page.locator(".surface").nth(pane).bounding_box()
    assert box is not None
    plane = pane % 3
    across, up, _ = AXES[plane]
    shape = viewer.scene.ras(viewer.scene.volume).shape
    extent = np.array(shape) * SPACING
    scale = min(box["width"] / extent[across], box["height"] / extent[up])
    u = (x - box["x"] - box["width"] / 2) / scale
    v = (y - box["y"] - box["height"] / 2) / scale
    voxel = [value + 0.5 for value in cross]
    voxel[across] = (extent[across] / 2 + (-u if radiological or plane == 2 else u)) / SPACING[across]
    voxel[up] = (extent[up] / 2 - v) / SPACING[up]
    return voxel


def points_in(viewer: Viewer, pane: int, count: int, **options: Any) -> Iterator[tuple[int, int, list[int]]]:
    """Pixels well inside a voxel and away from crosshair and letters, each with that voxel."""
    rng = np.random.default_rng(pane)
    box = viewer.page.locator(".surface").nth(pane).bounding_box()
    assert box is not None
    cross = viewer.call("crosshair")
    cx, cy = viewer.call("pointOf", pane, cross)
    shape = viewer.scene.ras(viewer.scene.volume).shape
    found = 0
    while found < count:
        x = int(rng.integers(box["x"] + 60, box["x"] + box["width"] - 2))
        y = int(rng.integers(box["y"] + 24, box["y"] + box["height"] - 2))
        voxel = np.array(expected_voxel(viewer, pane, x + 0.5, y + 0.5, cross, **options))
        is_inside = bool((voxel > 0).all() and (voxel < shape).all())
        if is_inside and abs(voxel % 1 - 0.5).max() < 0.35 and abs(x - cx) > 14 and abs(y - cy) > 14:
            found += 1
            yield x, y, np.floor(voxel).astype(int).tolist()


def gray(hu: float, width: float = WINDOW["width"], level: float = WINDOW["level"]) -> float:
    """The window's formula."""
    return float(np.clip((hu - (level - width / 2)) / width, 0, 1) * 255)


@pytest.mark.parametrize(
    ("shape", "orientation", "oblique"),
    [
        ((33, 41, 27), "RAS", False),
        ((40, 36, 28), "LPS", False),
        ((31, 36, 25), "PIR", False),
        ((38, 30, 29), "LAS", True),
    ],
)
def test_the_voxel_and_the_value_under_the_cursor_are_the_files_own(
    page: Page, shape: tuple[int, int, int], orientation: str, oblique: bool
) -> None:
    with serve(make_scene(shape, orientation, oblique=oblique)) as scene:
        viewer = Viewer(page, scene)
        viewer.mount()
        viewer.call("set", WINDOW)
        ras = scene.ras(scene.volume)
        pixels = viewer.pixels()
        for plane in range(3):
            for x, y, voxel in points_in(viewer, plane, 8):
                page.mouse.move(x + 0.5, y + 0.5)
                text, seen = viewer.readout
                assert seen == voxel
                assert text == f"{ras[tuple(voxel)]} HU"
                assert abs(float(pixels[y, x, 1]) - gray(ras[tuple(voxel)])) <= 1.5


def test_every_plane_says_where_right_front_and_top_are_and_the_convention_can_be_switched(
    page: Page, scene: Scene
) -> None:
    viewer = Viewer(page, scene)
    viewer.mount()
    viewer.call("set", WINDOW)
    assert letters(viewer) == [list("RLAP"), list("RLSI"), list("APSI")]
    page.get_by_label("Convention").select_option(label="Neurological (R right)")
    viewer.settle()
    assert letters(viewer) == [list("LRAP"), list("LRSI"), list("APSI")]
    ras, pixels = scene.ras(scene.volume), viewer.pixels()
    for plane in range(3):
        for x, y, voxel in points_in(viewer, plane, 5, radiological=False):
            assert abs(float(pixels[y, x, 1]) - gray(ras[tuple(voxel)])) <= 1.5


def letters(viewer: Viewer) -> list[list[str]]:
    """Left, right, top and bottom letter of every plane."""
    return [
        viewer.page.locator(".surface").nth(plane).locator(".letter").all_inner_texts() for plane in range(3)
    ]


@pytest.mark.parametrize("name", ["bytes", "wide"])
def test_each_label_has_its_own_colour_also_above_255(page: Page, scene: Scene, name: str) -> None:
    viewer = Viewer(page, scene)
    labels = [*LABELS, {"index": 3, "name": "third", "color": "#ffffff", "volume_ml": 0}]
    viewer.mount(maskId=name, labels=labels)
    viewer.call("set", WINDOW | {"opacity": 0.6})
    mask, ras = scene.ras(scene.masks[name]), scene.ras(scene.volume)
    colors = {0: None, 1: (230, 25, 75), 2: (60, 180, 75), 3: (255, 255, 255), 300: (67, 99, 216)}
    colors[40000] = (245, 130, 49)
    seen = set()
    for label in np.unique(mask).tolist():
        voxel = np.argwhere(mask == label)[3].tolist()
        viewer.call("setCrosshair", *[max(0, v - 2) for v in voxel[:2]], voxel[2])
        x, y = (int(value) for value in viewer.call("pointOf", 0, voxel))
        shown = viewer.pixels()[y, x].astype(float)
        plain = gray(ras[tuple(voxel)])
        color = colors[label]
        want = [plain] * 3 if color is None else [0.4 * plain + 0.6 * part for part in color]
        assert np.abs(shown - want).max() <= 2, (label, shown, want)
        assert viewer.call("label", *voxel) == label
        seen.add(label)
    assert seen == ({0, 1, 2, 300, 40000} if name == "wide" else {0, 1, 2, 3})


def test_a_hidden_label_is_not_painted(page: Page, scene: Scene) -> None:
    viewer = Viewer(page, scene)
    viewer.mount(maskId="wide", labels=LABELS)
    viewer.call("set", WINDOW)
    mask, ras = scene.ras(scene.masks["wide"]), scene.ras(scene.volume)
    voxel = np.argwhere(mask == 300)[3].tolist()
    viewer.call("setCrosshair", voxel[0] + 4, voxel[1] + 4, voxel[2])
    page.get_by_label("Show three hundred").uncheck()
    x, y = (int(value) for value in viewer.call("pointOf", 0, voxel))
    assert np.abs(viewer.pixels()[y, x].astype(float) - gray(ras[tuple(voxel)])).max() <= 1.5


def test_an_unreviewed_mask_looks_different_and_says_so(page: Page, scene: Scene) -> None:
    viewer = Viewer(page, scene)
    viewer.mount(maskId="wide", labels=LABELS, isReviewed=False, badge="AI - NOT REVIEWED")
    badge = page.get_by_text("AI - NOT REVIEWED")
    assert badge.is_visible()
    unreviewed = viewer.pixels()
    viewer.mount(maskId="wide", labels=LABELS, isReviewed=True, badge="")
    assert not badge.is_visible()
    box = page.locator(".surface").first.bounding_box()
    assert box is not None
    rows, columns = slice(int(box["y"]), None), slice(int(box["x"]), int(box["x"] + box["width"]))
    changed = (unreviewed[rows, columns] != viewer.pixels()[rows, columns]).any(axis=-1)
    assert changed.mean() > 0.01


def test_values_that_are_not_hu_are_not_called_hu_and_an_offset_counts(page: Page) -> None:
    scene = make_scene((24, 22, 18), dtype=np.uint16)
    scene.volume[0, 0, :] = 50_000  # above what 16 signed bits hold
    with serve(scene) as served:
        viewer = Viewer(page, served)
        viewer.mount(unit="stored value", huOffset=-1024)
        viewer.call("set", WINDOW | {"width": 100_000, "level": 0})
        voxel = [5, 6, 9]
        viewer.call("setCrosshair", *voxel)
        assert viewer.readout == (f"{int(scene.volume[tuple(voxel)]) - 1024} stored value", voxel)
        assert "HU" not in page.locator(".sv").inner_text()
        x, y = (int(value) for value in viewer.call("pointOf", 0, [0, 0, 9]))
        assert abs(float(viewer.pixels()[y, x, 1]) - gray(50_000 - 1024, 100_000, 0)) <= 1.5


def test_a_remounted_viewer_keeps_voxels_window_and_position(page: Page, scene: Scene) -> None:
    viewer = Viewer(page, scene)
    viewer.mount(maskId="wide", labels=LABELS)
    viewer.call("setCrosshair", 7, 9, 11)
    page.get_by_label("Window preset").select_option("Lung")
    viewer.call("set", {"zoom": 2, "isOutline": True})
    before, asked = viewer.pixels(), []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("window.unmountViewer()")
    assert page.locator(".sv").count() == 0
    viewer.mount("second", maskId="wide", maskTicket="new", volumeTicket="new", labels=LABELS)
    state = viewer.call("state")
    assert (state["cross"], state["zoom"], state["width"]) == ([7, 9, 11], 2, 1500)
    assert np.array_equal(viewer.pixels(), before)
    assert asked == []


def test_a_lost_graphics_context_is_replaced_without_losing_anything(page: Page, scene: Scene) -> None:
    viewer = Viewer(page, scene)
    viewer.mount(maskId="wide", labels=LABELS)
    viewer.call("setCrosshair", 12, 13, 14)
    before = viewer.pixels()
    page.locator("canvas.picture").evaluate(
        "canvas => { canvas.dataset.old = '1'; "
        "canvas.getContext('webgl2').getExtension('WEBGL_lose_context').loseContext() }"
    )
    page.locator("canvas.picture:not([data-old])").wait_for(timeout=10_000)
    page.wait_for_function(
        "() => document.getElementById('first').shadowRoot.querySelector('.sv').segloop.app.renderer"
    )
    assert np.array_equal(viewer.pixels(), before)


def test_without_webgl2_slices_are_drawn_plainly_and_the_page_says_so(page: Page, scene: Scene) -> None:
    page.add_init_script(
        "const original = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        " return kind === 'webgl2' ? null : original.call(this, kind, ...rest) }"
    )
    viewer = Viewer(page, scene)
    viewer.mount(renderer="plain", maskId="wide", labels=LABELS)
    assert "WebGL2" in page.locator(".hint").inner_text()
    viewer.call("set", WINDOW | {"isMaskHidden": True})
    ras, pixels = scene.ras(scene.volume), viewer.pixels()
    for plane in range(3):
        for x, y, voxel in points_in(viewer, plane, 5):
            assert abs(float(pixels[y, x, 1]) - gray(ras[tuple(voxel)])) <= 1.5


def test_wheel_keys_and_sliders_move_through_slices_and_keys_stay_inside(page: Page, scene: Scene) -> None:
    viewer = Viewer(page, scene)
    viewer.mount()
    page.evaluate(
        "() => { window.leaked = []; document.addEventListener('keydown', e => leaked.push(e.key)) }"
    )
    viewer.call("setCrosshair", 20, 18, 14)
    sagittal = page.locator("[data-plane=sagittal]")
    sagittal.hover()
    page.mouse.wheel(0, -100)
    assert viewer.call("crosshair") == [21, 18, 14]
    sagittal.focus()
    for key, expected in (("ArrowDown", 20), ("PageUp", 30), ("End", 39), ("r", 39)):
        page.keyboard.press(key)
        assert viewer.call("crosshair") == [expected, 18, 14]
    page.get_by_label("Axial slice").fill("3")
    assert viewer.call("crosshair") == [39, 18, 3]
    assert page.evaluate("leaked") == []


def test_a_click_moves_all_planes_and_a_right_drag_changes_the_window(page: Page, scene: Scene) -> None:
    viewer = Viewer(page, scene)
    viewer.mount()
    x, y = viewer.call("pointOf", 1, [9, 18, 5])
    page.mouse.click(x, y)
    assert viewer.call("crosshair") == [9, 18, 5]
    page.mouse.down(button="right")
    page.mouse.move(x + 30, y + 12)
    page.mouse.up(button="right")
    state = viewer.call("state")
    assert state["width"] > 400
    assert state["level"] > 40
    assert state["preset"] == "Custom"


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)])
def test_nothing_lies_below_the_fold(page: Page, scene: Scene, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    viewer = Viewer(page, scene)
    viewer.mount(maskId="wide", labels=LABELS, isReviewed=False)
    bottoms = page.locator(".bar:visible").evaluate_all(
        "bars => bars.map(bar => bar.getBoundingClientRect().bottom)"
    )
    assert len(bottoms) == 3
    assert max(bottoms) <= size[1]
    assert page.evaluate("document.documentElement.scrollHeight") <= size[1]
    assert page.get_by_role("button", name="forty thousand").is_visible()


def test_zooming_keeps_the_point_under_the_cursor_and_clicks_stay_exact(page: Page, scene: Scene) -> None:
    viewer = Viewer(page, scene)
    viewer.mount()
    viewer.call("set", WINDOW)
    ras = scene.ras(scene.volume)
    for plane, voxel in ((0, [8, 27, 14]), (1, [31, 18, 6]), (2, [20, 9, 22])):
        x, y = viewer.call("pointOf", plane, voxel)
        page.mouse.move(x, y)
        page.keyboard.down("Control")
        page.mouse.wheel(0, -500)
        page.keyboard.up("Control")
        assert viewer.call("state")["zoom"] > 3
        assert viewer.readout == (f"{ras[tuple(voxel)]} HU", voxel)
        page.mouse.move(x + 1, y)
        assert viewer.readout[1] == voxel
        page.keyboard.down("Shift")
        page.mouse.down()
        page.mouse.move(x + 41, y + 23)
        page.mouse.up()
        page.keyboard.up("Shift")
        page.mouse.move(x + 40, y + 23)
        assert viewer.readout == (f"{ras[tuple(voxel)]} HU", voxel)
        shown = viewer.pixels()[int(y + 23), int(x + 40)]
        assert abs(float(shown[1]) - gray(ras[tuple(voxel)])) <= 1.5
        page.locator(".surface").nth(plane).focus()
        page.keyboard.press("0")
        assert viewer.call("state")["zoom"] == 1


def test_a_distance_is_measured_in_millimetres(page: Page, scene: Scene) -> None:
    viewer = Viewer(page, scene)
    viewer.mount()
    page.get_by_role("button", name="Measure").click()
    start, end = (viewer.call("pointOf", 1, voxel) for voxel in ([10, 18, 4], [26, 18, 20]))
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=3)
    page.mouse.up()
    viewer.settle()
    shown = page.locator("[data-plane=coronal] .marks text").text_content()
    assert shown is not None
    expected = float(np.hypot(16 * SPACING[0], 16 * SPACING[2]))
    assert abs(float(shown.removesuffix(" mm")) - expected) <= 0.2
    assert viewer.call("crosshair") == [20, 18, 14]
    page.locator("[data-plane=coronal]").focus()
    page.keyboard.press("Escape")
    viewer.settle()
    assert page.locator(".marks text").count() == 0


def test_two_masks_are_compared_voxel_by_voxel(page: Page, scene: Scene) -> None:
    first = scene.masks["bytes"]
    second = scene.masks["other"] = np.zeros_like(first)
    second[10:18, 9:18, :] = 1
    second[22:28, 9:18, :] = 3
    second[2:7, 9:18, :] = 1
    viewer = Viewer(page, scene)
    viewer.mount(
        maskId="bytes",
        compareMaskId="other",
        labels=[*LABELS[:2], LABELS[2] | {"index": 3}],
        disagreements=[{"centre": [4, 5, 6], "text": "a"}, {"centre": [7, 8, 9], "text": "b"}],
    )
    viewer.call("set", WINDOW | {"opacity": 1})
    viewer.call("setCrosshair", 39, 35, 10)
    pixels = viewer.pixels()
    colors = {
        "agree": (77, 179, 89),
        "first": (242, 140, 31),
        "second": (64, 128, 255),
        "other": (217, 64, 217),
    }
    seen = set()
    for x, y, voxel in points_in(viewer, 0, 250):
        a, b = int(first[tuple(voxel)]), int(second[tuple(voxel)])
        if a == b == 0:
            assert abs(float(pixels[y, x, 1]) - gray(scene.volume[tuple(voxel)])) <= 1.5
            continue
        kind = "agree" if a == b else "other" if a and b else "first" if a else "second"
        assert np.abs(pixels[y, x].astype(int) - colors[kind]).max() <= 1, (voxel, kind)
        seen.add(kind)
    assert seen == set(colors)
    assert page.get_by_text("only second", exact=True).is_visible()
    page.get_by_label("Shown mask").select_option("second")
    pixels = viewer.pixels()
    for x, y, voxel in points_in(viewer, 0, 60):
        want = {0: [gray(scene.volume[tuple(voxel)])] * 3, 1: (230, 25, 75), 3: (67, 99, 216)}
        assert np.abs(pixels[y, x].astype(float) - want[int(second[tuple(voxel)])]).max() <= 1.5
    for centre, text in ((4, 5, 6), "1 of 2: a"), ((7, 8, 9), "2 of 2: b"), ((4, 5, 6), "1 of 2: a"):
        page.get_by_role("button", name="Next disagreement").click()
        assert tuple(viewer.call("crosshair")) == centre
        assert page.get_by_text(text).is_visible()

    page.get_by_label("Shown mask").select_option("both")
    viewer.call(
        "setCrosshair", 20, 18, 14
    )  # in the middle, so that points near it, and so near letters, are left out
    page.wait_for_timeout(300)
    pixels = viewer.pixels()
    names = page.locator(".pane:visible .name").all_inner_texts()
    assert sorted(names) == sorted(
        f"{plane} · {name}" for plane in ("Axial", "Coronal", "Sagittal") for name in ("first", "second")
    )
    n_painted = 0
    palette = {1: (230, 25, 75), 2: (60, 180, 75), 3: (67, 99, 216)}
    for pane, mask in ((0, first), (3, second), (1, first), (4, second), (2, first), (5, second)):
        for x, y, voxel in points_in(viewer, pane, 60):
            label = int(mask[tuple(voxel)])
            want = palette.get(label, [gray(scene.volume[tuple(voxel)])] * 3)
            assert np.abs(pixels[y, x].astype(float) - want).max() <= 1.5, (pane, voxel)
            n_painted += label > 0
    assert n_painted


def test_an_editor_gets_the_pointer_first_and_its_changed_box_is_seen(page: Page, scene: Scene) -> None:
    viewer = Viewer(page, scene)
    viewer.mount(maskId="bytes", labels=LABELS)
    viewer.call("set", WINDOW | {"opacity": 1})
    cross = viewer.call("crosshair")
    root = page.locator(".sv")
    root.evaluate(
        """root => {
          const { app } = root.segloop; root.seen = []
          app.onPointer = (plane, voxel, event, phase) => {
            if (phase === 'hover' || event.button === 2) return false
            root.seen.push([plane.name, phase, voxel])
            if (phase === 'up') return true
            const mask = app.store.scene.mask
            mask.voxels[voxel[0] + 40 * (voxel[1] + 36 * voxel[2])] = 2
            app.updateMask({ from: voxel, to: voxel })
            return true
          }
        }"""
    )
    start, end = (viewer.call("pointOf", 0, voxel) for voxel in ([3, 4, 14], [6, 4, 14]))
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end)
    page.mouse.up()
    steps = [["Axial", "down", [3, 4, 14]], ["Axial", "move", [6, 4, 14]], ["Axial", "up", [6, 4, 14]]]
    assert root.evaluate("root => root.seen") == steps
    assert viewer.call("crosshair") == cross
    pixels = viewer.pixels()
    for i, color in ((3, (60, 180, 75)), (6, (60, 180, 75)), (5, None)):
        x, y = (int(value) for value in viewer.call("pointOf", 0, [i, 4, 14]))
        want = color or [gray(scene.volume[i, 4, 14])] * 3
        assert np.abs(pixels[y, x].astype(float) - want).max() <= 1.5


def test_a_label_is_found_and_shown_in_3d_only_when_asked(page: Page, scene: Scene) -> None:
    viewer = Viewer(page, scene)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    viewer.mount(maskId="wide", labels=LABELS)
    page.get_by_role("button", name="forty thousand").click()
    assert scene.masks["wide"][tuple(viewer.call("crosshair"))] == 40000
    assert not any(url.partition("?")[0].endswith("levels/1") for url in asked)
    page.get_by_role("button", name="3D").click()
    page.locator(".solid-picture").wait_for()
    page.wait_for_timeout(300)
    box = page.locator(".solid").bounding_box()
    assert box is not None
    picture = viewer.pixels()[
        int(box["y"]) : int(box["y"] + box["height"]), int(box["x"]) : int(box["x"] + box["width"])
    ]
    blue = (picture[..., 2].astype(int) - picture[..., 0]) > 60
    assert blue.mean() > 0.005  # label 300


def test_a_mask_of_another_grid_is_refused(page: Page, scene: Scene) -> None:
    other = make_scene((20, 18, 14))
    scene.levels["/api/v1/masks/other/levels/0"] = other._level(other.masks["bytes"], 0)
    viewer = Viewer(page, scene)
    viewer.mount(maskId="other", labels=LABELS)
    assert "grid is not the volume's grid" in page.locator(".status").inner_text()
    assert viewer.call("label", 1, 1, 1) is None
