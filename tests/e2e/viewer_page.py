"""A page with nothing but the viewer, and a server that gives it viewer copies made by Segloop's own pyramid."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

from segloop.imaging.geometry import Geometry, reorient
from segloop.imaging.pyramid import slabs, viewer_level
from segloop.stack import bench_viewer
from tests.conftest import ROOT

DIST = ROOT / "ui/viewer/segloop_viewer/dist"
FLAGS = [
    *bench_viewer.FLAGS,
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGE = """<!doctype html><meta charset="utf-8"><body style="margin:0;padding:12px">
<div id="above"></div><div id="first"></div><div id="second"></div>
<script type="module">
import mount from '/viewer.js'
let unmount = null
window.mountViewer = (data, id = 'first') => {
  const host = document.getElementById(id)
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' })
  unmount = mount({ data, parentElement: root })
}
window.unmountViewer = () => unmount()
window.isLoaded = true
</script>"""


@dataclass
class Scene:
    """A volume with masks, and the page that shows it; arrays are (x, y, z) in the order of `geometry`."""

    volume: NDArray[np.generic]
    geometry: Geometry
    masks: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    url: str = ""

    @cached_property
    def levels(self) -> dict[str, tuple[bytes, dict[str, str]]]:
        """Every path of the API that the viewer asks for: body and headers."""
        found = {f"/api/v1/volumes/v/levels/{n}": self._level(self.volume, n) for n in (0, 1, 2)}
        return found | {
            f"/api/v1/masks/{name}/levels/0": self._level(mask, 0) for name, mask in self.masks.items()
        }

    def _level(self, array: NDArray[np.generic], level: int) -> tuple[bytes, dict[str, str]]:
        view, grid = viewer_level(array, self.geometry, level=level)
        shape, affine = json.dumps(list(grid.shape)), json.dumps(grid.affine.tolist())
        dtype = str(array.dtype if array.dtype.kind in "iu" else "int16")
        return b"".join(slabs(view)), {"X-Shape": shape, "X-Affine": affine, "X-Dtype": dtype}

    def ras(self, array: NDArray[Any]) -> NDArray[Any]:
        """The same voxels in RAS order, as the viewer counts them."""
        return reorient(array, self.geometry, "RAS")[0]

    def data(self, **changes: Any) -> dict[str, Any]:
        """What Python sends to the component."""
        data: dict[str, Any] = {"instance": "viewer", "apiBase": "/api", "volumeId": "v", "volumeTicket": "t"}
        data |= {"maskId": None, "maskTicket": "t", "compareMaskId": None, "compareMaskTicket": None}
        data |= {"maskName": "first", "compareName": "second"}
        data |= {"labels": [], "notice": "Research use only.", "height": None, "isReviewed": True}
        data |= {"badge": "", "region": None, "isSecondReviewed": True}
        data |= {"compareTranslation": None, "disagreements": []}
        return data | {"unit": "HU", "huOffset": 0} | changes


@contextmanager
def serve(scene: Scene) -> Iterator[Scene]:
    """Serve the page, the built bundle and the viewer copies on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            body, headers, status = PAGE.encode(), {"Content-Type": "text/html"}, 200
            if path in scene.levels:
                body, headers = scene.levels[path]
                if wanted := self.headers.get("Range"):
                    start, stop = (int(part) for part in wanted.removeprefix("bytes=").split("-"))
                    body, status = body[start : stop + 1], 206
            elif path.endswith(".js"):
                body, headers = (DIST / path[1:]).read_bytes(), {"Content-Type": "text/javascript"}
            elif path != "/":
                body, headers, status = b"{}", {"Content-Type": "application/problem+json"}, 404
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    scene.url = f"http://127.0.0.1:{server.server_address[1]}/"
    yield scene
    server.shutdown()


class Viewer:
    """A viewer in a page, driven with the real mouse and read through its test hooks."""

    def __init__(self, page: Page, scene: Scene) -> None:
        self.page, self.scene = page, scene
        page.goto(scene.url)
        page.wait_for_function("window.isLoaded")

    def mount(self, host: str = "first", *, renderer: str = "webgl", **changes: Any) -> None:
        """Mount, or update, the viewer and wait until its voxels are there."""
        data = self.scene.data(**changes)
        self.page.evaluate("([data, host]) => window.mountViewer(data, host)", [data, host])
        self.page.locator(f".sv[data-ready=full][data-renderer={renderer}]").wait_for(timeout=20_000)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call one of the viewer's hooks."""
        script = "(root, [name, args]) => root.segloop[name](...args)"
        return self.page.locator(".sv").evaluate(script, [name, list(arguments)])

    def settle(self) -> None:
        """Wait until what was asked for is on the screen."""
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
        )

    @property
    def readout(self) -> tuple[str, list[int]]:
        """What the viewer says about the voxel under the cursor: its text, and the voxel."""
        text, voxel = self.page.locator(".readout").inner_text().split("\n")
        return text, [int(part) for part in voxel.removeprefix("voxel ").split(", ")]

    def pixels(self) -> NDArray[np.uint8]:
        """The page as (row, column, RGB)."""
        self.settle()
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"))


@contextmanager
def watched_page(browser: Browser, size: tuple[int, int]) -> Iterator[Page]:
    """A fresh page; a request that leaves this machine, or an error in the page, fails the test."""
    outside: list[str] = []
    problems: list[str] = []
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.on("request", lambda request: _is_local(request.url) or outside.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert outside == []
    assert problems == []


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1", "data:", "blob:"))
