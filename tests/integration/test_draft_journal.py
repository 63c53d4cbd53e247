"""The journal loses nothing: random strokes, retries and crashes, and exactly the drawn voxels change."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import nibabel as nib
import numpy as np
import pytest

from segloop.imaging.geometry import Geometry, reorient
from segloop.settings import Settings
from segloop.storage import open_store
from tests.conftest import ROOT
from tests.integration.editing import Array, Draft, download, encode, in_ras, upload, upload_mask

N_STROKES = 70
GRIDS = {
    "RAS": np.diag([1.0, 1.0, 5.0, 1.0]),
    "LPS": np.diag([0.7, 0.7, 2.5, 1.0]),
    "PIR": np.diag([2.0, 1.5, 1.0, 1.0]),
    "SAL": np.diag([1.0, 3.0, 2.0, 1.0]),
    "IRA": np.diag([1.2, 1.2, 1.2, 1.0]),
    "ALI": nib.affines.from_matvec(
        nib.eulerangles.euler2mat(0.2, -0.1, 0.15) @ np.diag([1.0, 2.0, 3.0]), [12.5, -7.25, 30.0]
    ),
}


class Api:
    """The API as a process of its own, which can be killed and started again."""

    def __init__(self, environment: dict[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environment = os.environ | environment
        token = environment["SEGLOOP_TOKEN"]
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", timeout=30, headers={"Authorization": f"Bearer {token}"}
        )
        self.start()

    def start(self) -> None:
        """Start and wait until it answers."""
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "--factory", "services.api.main:create_app"),
                *("--port", str(self.port), "--log-level", "warning"),
            ],
            cwd=ROOT,
            env=self.environment,
        )
        limit = time.monotonic() + 60
        while True:
            try:
                assert self.http.get("/ready").status_code == 200
                return
            except httpx.TransportError:
                assert self.process.poll() is None and time.monotonic() < limit
                time.sleep(0.05)

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def api(environment: dict[str, str]) -> Iterator[Api]:
    running = Api(environment)
    yield running
    running.kill()
    running.http.close()


class Session:
    """One person's editing, with everything that goes wrong on the way."""

    def __init__(self, api: Api, settings: Settings, draft: Draft, seed: int) -> None:
        self.api, self.draft = api, draft
        self.rng = np.random.default_rng(seed)
        self.store = open_store(
            endpoint=settings.s3_endpoint,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key,
            bucket=settings.s3_bucket,
        )
        self.history: list[Array] = []

    def stroke(self, *, crash: bool = False) -> None:
        """Draw a random box of a random label, or undo the last one, and save it with trouble."""
        before = self.draft.voxels
        if self.history and self.rng.random() < 0.15:
            after, operation, label = self.history.pop(), "undo", 0
        else:
            self.history.append(before)
            label = int(self.rng.integers(0, 6))
            operation = "brush" if label else "erase"
            ends = [np.sort(self.rng.integers(0, n + 1, 2)) for n in self.draft.shape]
            grid = self.draft.grid.copy(order="F")
            part = grid[tuple(slice(a, b) for a, b in ends)]
            part[self.rng.random(part.shape) < 0.8] = label
            after = grid.ravel(order="F")
        body = encode(before, after)
        if crash:
            self.crash(body, operation, label)
        else:
            self.trouble(body, operation, label)
        self.draft.voxels = after

    def crash(self, body: bytes, operation: str, label: int) -> None:
        """Kill the server at a random moment while an entry is on its way; then send it again."""
        url, request = self.draft.entry(body, operation, label)

        def put() -> None:
            with suppress(httpx.TransportError):
                self.api.http.put(url, **request)

        sender = threading.Thread(target=put)
        sender.start()
        time.sleep(float(self.rng.uniform(0, 0.015)))
        self.api.kill()
        sender.join()
        self.api.start()
        answer = self.draft.send(body, operation, label)
        assert answer.status_code in (200, 201), answer.text

    def trouble(self, body: bytes, operation: str, label: int) -> None:
        """Send an entry until it is stored: too early, twice, to a server that dies before or after it."""
        url, request = self.draft.entry(body, operation, label)
        chance = self.rng.random()
        if chance < 0.1:
            early = self.api.http.put(url.rpartition("/")[0] + f"/{self.draft.sequence + 2}", **request)
            assert early.json()["code"] == "draft_gap"
        elif chance < 0.2:
            assert self.api.http.put(url, **request).status_code == 201  # and the answer gets lost
        answer = self.draft.send(body, operation, label)
        assert answer.status_code == (200 if 0.1 <= chance < 0.2 else 201), answer.text

    def reload(self) -> None:
        """Open the page again, with or without the cache: it shows what was drawn."""
        if self.rng.random() < 0.5:
            for found in list(self.store.list_(f"drafts/{self.draft.opened['id']}/snapshots/")):
                self.store.delete(found.key)
        drawn, head = self.draft.voxels, (self.draft.sequence, self.draft.hash)
        self.draft.load()
        assert np.array_equal(self.draft.voxels, drawn)
        assert (self.draft.sequence, self.draft.hash) == head


def make_case(http: httpx.Client, orientation: str, seed: int = 0) -> tuple[str, str, Array, Geometry]:
    """Upload a CT and a base mask in an orientation; return their ids, the base in RAS order and the grid."""
    rng = np.random.default_rng([seed, *map(ord, orientation)])
    ras = Geometry((11, 9, 7), GRIDS[orientation])
    ct, grid = reorient(rng.integers(-1000, 900, ras.shape).astype(np.int16), ras, orientation)
    mask, _ = reorient(rng.integers(0, 3, ras.shape).astype(np.uint8), ras, orientation)
    volume = upload(http, np.ascontiguousarray(ct), grid.affine)
    assert volume["orientation"] == orientation
    base = upload_mask(http, volume, np.ascontiguousarray(mask), grid.affine)
    return volume["id"], base["id"], in_ras(download(http, base["id"])), grid


@pytest.mark.parametrize("orientation", GRIDS)
def test_exactly_the_drawn_voxels_change(api: Api, settings: Settings, orientation: str) -> None:
    volume_id, base_id, base, grid = make_case(api.http, orientation)
    draft = Draft(api.http, volume_id, base_id)
    assert np.array_equal(draft.grid, base)
    session = Session(api, settings, draft, seed=sum(map(ord, orientation)))
    crashes = {20, 60} if orientation in ("LPS", "ALI") else set()
    for n in range(1, N_STROKES + 1):
        session.stroke(crash=n in crashes)
        if n % 17 == 0 or n == 62:  # once right after a snapshot was made
            session.reload()
    kept = list(session.store.list_(f"drafts/{draft.opened['id']}/snapshots/"))
    assert len(kept) <= 1
    finalized = draft.finalize()
    assert finalized.status_code == 201, finalized.text
    image = download(api.http, finalized.json()["id"])
    assert image.shape == grid.shape
    assert np.allclose(image.affine, grid.affine, atol=1e-5)
    assert np.array_equal(in_ras(image), draft.grid)
    assert (in_ras(image) != base).any() and (in_ras(image) == base).any()
    assert np.array_equal(in_ras(download(api.http, base_id)), base)


def test_snapshots_are_used_and_a_damaged_or_foreign_one_is_not(api: Api, settings: Settings) -> None:
    volume_id, base_id, *_ = make_case(api.http, "LPS", seed=1)
    draft = Draft(api.http, volume_id, base_id)
    session = Session(api, settings, draft, seed=5)
    for _ in range(55):
        session.stroke()
    draft.load()
    (snapshot,) = session.store.list_(f"drafts/{draft.opened['id']}/snapshots/")
    good, drawn = session.store.read(snapshot.key), draft.voxels.copy()
    session.store.put_bytes(snapshot.key, good[:-6] + b"\0" * 6)
    draft.load()
    assert np.array_equal(draft.voxels, drawn)
    for found in list(session.store.list_(f"drafts/{draft.opened['id']}/snapshots/")):
        session.store.delete(found.key)
    session.store.put_bytes(snapshot.key[:-4] + "0000", good)  # of other edits than these
    draft.load()
    assert np.array_equal(draft.voxels, drawn)
    # That one is used at all shows where the base mask is gone and the draft still opens.
    draft.load()
    for found in list(session.store.list_("masks/")):
        session.store.delete(found.key)
    draft.load()
    assert np.array_equal(draft.voxels, drawn)
