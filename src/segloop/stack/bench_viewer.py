"""`segloop bench viewer`: the page's viewer and editor on a large CT, beside stock NiiVue on the same files.

Both run in headless Chromium with its software renderer. A frame counts as drawn when a pixel of it was read back.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import nibabel
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from segloop.errors import NotFound
from segloop.imaging import phantom
from segloop.stack import state
from segloop.stack.applications import ROOT
from segloop.stack.checks import find_browser

Say = Callable[[str], None]
FULL = ((512, 512, 300), (0.8, 0.8, 1.2))
SHORT = ((96, 96, 60), (4.0, 4.0, 6.0))
WIDE = {"width": 1440, "height": 900}
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-dev-shm-usage",
]
NIIVUE = ROOT / "ui/viewer/node_modules/@niivue/niivue/dist"
GOALS = {
    "first image, s": 2,
    "everything at full resolution, s": 5,
    "window change, ms": 40,
    "slice change, ms": 40,
    "one paint move, own work, ms": 1,
    "undo, own work, ms": 1,
    "journal of a stroke, ms": 150,
    "finalize the whole mask, s": 2,
    "GPU process, MB": 450,
    "JS heap with buffers, MB": 300,
}
# Both measure by the same rule: do it, draw, and read one pixel, so that the software renderer has really drawn.
DRAWN = """(root, [what, n]) => {
  const { app } = root.segloop
  const gl = root.querySelector('canvas.picture').getContext('webgl2')
  const drawn = () => { app.drawNow(); gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)) }
  drawn()
  return Array.from({ length: n }, (_, k) => {
    const began = performance.now()
    if (what === 'window') app.setWindow(400 + 10 * k, 40)
    else app.moveTo(app.state.cross.map((v, axis) => axis === 2 ? v + (k % 2 ? -1 : 1) : v))
    drawn()
    return performance.now() - began
  })
}"""
PAINTED = """(root, [n, row]) => {
  const { app } = root.segloop
  const plane = app.stage.panes[0].plane
  const [x, y, z] = app.state.cross.map((v, axis) => v + (axis === 1 ? row : 0))
  const event = new PointerEvent('pointermove', { button: 0 })
  const moves = []
  app.onPointer(plane, [x, y, z], event, 'down')
  for (let k = 1; k <= n; k++) {
    const began = performance.now()
    app.onPointer(plane, [x + k, y, z], event, 'move')
    moves.push(performance.now() - began)
  }
  app.onPointer(plane, [x + n, y, z], event, 'up')
  return moves
}"""
SAVED = """async root => {
  const began = performance.now()
  while (!root.querySelector('[data-state=saved]')) await new Promise(done => setTimeout(done, 2))
  return performance.now() - began
}"""
UNDONE = """(root, n) => Array.from({ length: n }, (_, k) => {
  const began = performance.now()
  root.segloop.app.editor.editor[k % 2 ? 'redo' : 'undo']()
  return performance.now() - began
})"""
STOCK = """<!doctype html><body style="margin:0"><canvas id="gl"></canvas>
<script src="/niivue.umd.js"></script><script>
window.measure = async (n) => {
  const { Niivue } = niivue
  const canvas = document.getElementById('gl')
  const nv = new Niivue({ isResizeCanvas: true, dragAndDropEnabled: false, logLevel: 'error' })
  const drawn = () => { nv.drawScene(); nv.gl.readPixels(0, 0, 1, 1, nv.gl.RGBA, nv.gl.UNSIGNED_BYTE, new Uint8Array(4)) }
  const timed = async (work) => { const t = performance.now(); await work(); drawn(); return performance.now() - t }
  const found = {}
  await nv.attachToCanvas(canvas, false)
  found.first = await timed(() => nv.loadVolumes([{ url: '/ct.nii' }]))
  found.all = found.first + await timed(() => nv.addVolumeFromUrl({ url: '/mask.nii', colormap: 'actc', opacity: 0.5 }))
  const ct = nv.volumes[0]
  found.slice = await timed(() => { nv.scene.crosshairPos = [0.5, 0.5, 0.51] })
  found.window = await timed(() => { ct.cal_min = -160; ct.cal_max = 240; nv.updateGLVolume() })
  nv.createEmptyDrawing()
  nv.setDrawingEnabled(true)
  const [x, y, z] = ct.dimsRAS.slice(1).map((n) => n >> 1)
  found.paint = await timed(() => { nv.drawPenLine([x, y, z], [x + 1, y, z], 1); nv.refreshDrawing(false) })
  nv.drawAddUndoBitmap()
  found.undo = await timed(() => nv.drawUndo())
  return found
}
</script>"""


@dataclass(frozen=True)
class Files:
    """The CT and its mask as files."""

    ct: Path
    mask: Path


def run(root: Path, upload: Callable[..., dict[str, Any]], say: Say, *, short: bool) -> dict[str, Any]:
    """Measure on the running stack; `upload(path, **options)` gives the API a file. Return what was measured.

    Raises:
        NotFound: `no_browser`.
    """
    path = find_browser()
    if path is None:
        raise NotFound("no_browser", "No Chromium is installed; the benchmark of the viewer needs one.")
    files = _files(root / "bench", SHORT if short else FULL)
    volume = upload(files.ct)
    upload(files.mask, purpose="mask", volume_id=volume["id"], mask_kind="imported")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        say("Segloop ...")
        ours = _ours(browser, root, volume["id"], n=2 if short else 9)
        browser.close()
        stock: dict[str, float] = {}
        if (NIIVUE / "niivue.umd.js").exists():
            say("Stock NiiVue, the same files ...")
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            stock = _stock(browser, files)
            browser.close()
        else:
            say("Stock NiiVue was not run: its package is not here (`npm ci` in ui/viewer).")
    for name, value in ours.items():
        peer = stock.get(name)
        ratio = f"{peer:10.2f}  x{peer / max(value, 1e-3):.0f}" if peer is not None else " " * 10
        say(f"  {name:36}{value:10.2f}   goal {GOALS[name]:<6g}{ratio}")
    return {"ours": ours, "stock": stock, "shape": (SHORT if short else FULL)[0]}


def _files(folder: Path, size: tuple[tuple[int, int, int], tuple[float, float, float]]) -> Files:
    folder.mkdir(mode=0o700, exist_ok=True)
    ct, labels, geometry = phantom.head_and_neck(shape=size[0], spacing_mm=size[1], seed=2)
    files = Files(folder / "ct.nii", folder / "mask.nii")
    for path, array in ((files.ct, ct), (files.mask, labels)):
        nibabel.save(nibabel.Nifti1Image(array, geometry.affine), path)  # type: ignore[no-untyped-call]
    return files


def sign_in(page: Page, link: str) -> None:
    """Sign a page in by a one-time link, as a person does."""
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url and "key=" not in url)


def _ours(browser: Browser, root: Path, volume_id: str, *, n: int) -> dict[str, float]:
    page = browser.new_context(viewport=WIDE).new_page()  # type: ignore[arg-type]
    sign_in(page, state.new_link(root))
    page.get_by_text("Worklist").first.wait_for(timeout=60_000)
    page.goto(f"{'/'.join(page.url.split('/')[:3])}/segment?volume={volume_id}")
    page.locator("[data-ready]").wait_for(state="attached", timeout=60_000)
    began = time.monotonic()
    found: dict[str, float] = {}
    page.locator("[data-ready=low], [data-ready=full]").wait_for(timeout=120_000)
    found["first image, s"] = time.monotonic() - began
    viewer = page.locator("[data-ready=full]")
    viewer.wait_for(timeout=120_000)
    found["everything at full resolution, s"] = time.monotonic() - began
    for name in ("window", "slice"):
        found[f"{name} change, ms"] = statistics.median(viewer.evaluate(DRAWN, [name, n]))
    found |= _edited(page, viewer, n)
    found |= _memory(browser, page)
    found["finalize the whole mask, s"] = _finalized(page)
    return found


def _edited(page: Page, viewer: Locator, n: int) -> dict[str, float]:
    page.get_by_role("button", name="Edit this mask").click()
    page.locator("[data-state=saved]").wait_for(timeout=120_000)
    viewer.wait_for(timeout=120_000)
    page.get_by_role("button", name="Brush", exact=True).click()
    journal, moves = [], []
    # Not the label that the phantom has here, and a row of its own for each stroke: every move changes voxels.
    page.get_by_label("Label to draw").select_option(label="esophagus")
    for stroke in range(n):
        moves += viewer.evaluate(PAINTED, [12, -4 * stroke])
        journal.append(viewer.evaluate(SAVED))
    return {
        "one paint move, own work, ms": statistics.mean(moves),
        "undo, own work, ms": statistics.median(viewer.evaluate(UNDONE, 2 * n)),
        "journal of a stroke, ms": statistics.median(journal),
    }


def _finalized(page: Page) -> float:
    page.locator("[data-state=saved]").wait_for(timeout=120_000)
    page.get_by_role("button", name="Finalize").click()
    with page.expect_response("**/finalize", timeout=120_000) as answer:
        page.get_by_role("dialog").get_by_role("button", name="Whole volume").click()
    answer.value.finished()
    return float(answer.value.request.timing["responseEnd"]) / 1000


def _memory(browser: Browser, page: Page) -> dict[str, float]:
    whole = browser.new_browser_cdp_session()
    processes = whole.send("SystemInfo.getProcessInfo")["processInfo"]
    gpu = sum(_pss_mb(process["id"]) for process in processes if process["type"] == "GPU")
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")
    used = heap["usedSize"] + heap.get("backingStorageSize", 0)
    return {"GPU process, MB": gpu, "JS heap with buffers, MB": used / 1e6}


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


def _stock(browser: Browser, files: Files) -> dict[str, float]:
    with _served(files) as address:
        page = browser.new_context(viewport=WIDE).new_page()  # type: ignore[arg-type]
        page.set_default_timeout(600_000)
        page.goto(address)
        found = page.evaluate("measure()")
        memory = _memory(browser, page)
    return {
        "first image, s": found["first"] / 1000,
        "everything at full resolution, s": found["all"] / 1000,
        "window change, ms": found["window"],
        "slice change, ms": found["slice"],
        "one paint move, own work, ms": found["paint"],
        "undo, own work, ms": found["undo"],
        **memory,
    }


@contextmanager
def _served(files: Files) -> Iterator[str]:
    """Serve the peer's page, its package and the files on a free port of this machine."""
    places = {"/niivue.umd.js": NIIVUE / "niivue.umd.js", "/ct.nii": files.ct, "/mask.nii": files.mask}

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            place = places.get(self.path)
            body = place.read_bytes() if place else STOCK.encode()
            self.send_response(200)
            self.send_header(
                "Content-Type",
                "text/html"
                if place is None
                else "text/javascript"
                if place.suffix == ".js"
                else "application/octet-stream",
            )
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
