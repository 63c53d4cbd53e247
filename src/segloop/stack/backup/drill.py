"""The restore drill: nothing acknowledged before a backup may be missing from what is restored, voxel for voxel."""

import gzip
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import nibabel
import numpy as np
from numpy.typing import NDArray

from segloop.errors import Unavailable
from segloop.imaging import phantom
from segloop.settings import child_environment
from segloop.stack import control, state
from segloop.stack.applications import ROOT
from segloop.stack.backup.create import create

Say = Callable[[str], None]
SERVERS_AND_API = "worker_gpu,trainer,ui,flower,relay"
"""What a restored copy does without: workers would do the original's jobs again, and its messages would be sent twice."""

TWO_PARTS = (192, 192, 128)
"""Voxels of a CT that takes two parts to upload when it isn't compressed."""


@dataclass
class Acknowledged:
    """What the API confirmed: volumes with their HU in (x, y, z), and an upload that still lacks its last part."""

    volumes: dict[str, NDArray[np.int16]] = field(default_factory=dict)
    upload_id: str = ""
    last_part: bytes = b""
    last_ct: NDArray[np.int16] | None = None


def run(root: Path, say: Say, *, short: bool) -> dict[str, Any]:
    """Upload, back up while uploads go on, restore beside the original, compare; return the seconds of each.

    Raises:
        Unavailable: `drill_failed`: something acknowledged is missing or differs.
    """
    if not state.read(root).is_up:
        control.up(root, say)
    shape, n = ((48, 40, 32), 2) if short else ((256, 256, 120), 10)
    with _api(root) as api:
        known = Acknowledged({_upload(api, ct): ct for ct in (_ct(shape, seed) for seed in range(n))})
        _begin(api, known)
        say(f"  {n} volumes and a part of an upload were acknowledged")
        folder, copy = root / "drill-backup", root.with_name(root.name + "-drill")
        shutil.rmtree(folder, ignore_errors=True)
        passphrase = secrets.token_hex(16)
        began = time.monotonic()
        with _uploading(root, shape):
            made = create(root, folder, passphrase, say)
        backup_s = time.monotonic() - began
    try:
        began = time.monotonic()
        _restore(folder, copy, passphrase)
        restore_s = time.monotonic() - began
        say(f"  restored and ready after {restore_s:.1f} s")
        with _api(copy) as api:
            _compare(api, known)
    finally:
        control.down(copy, say)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "backup_s": round(backup_s, 1),
        "restore_s": round(restore_s, 1),
        "mb": round(made.size_bytes() / 1e6, 1),
        "n_objects": len(made.objects),
        "n_volumes": n,
    }


def _ct(shape: tuple[int, int, int], seed: int) -> NDArray[np.int16]:
    # Drawn anew, so that no two drills upload the same file; noise, so that it doesn't compress to nothing.
    rng = np.random.default_rng([seed, secrets.randbits(32)])
    ct, _, _ = phantom.head_and_neck(shape=shape, spacing_mm=(3.0, 3.0, 3.0), seed=seed)
    return np.asarray(ct + rng.integers(-20, 20, ct.shape), np.int16)


def _packed(ct: NDArray[np.int16], level: int = 1) -> bytes:
    image = nibabel.Nifti1Image(ct, np.diag([3.0, 3.0, 3.0, 1.0]))  # type: ignore[no-untyped-call]
    return gzip.compress(image.to_bytes(), level)


def _api(root: Path) -> httpx.Client:
    environment = state.environment(root)
    headers = {"Authorization": f"Bearer {environment['SEGLOOP_TOKEN']}"}
    return httpx.Client(base_url=environment["SEGLOOP_API_URL"], headers=headers, timeout=300)


def _call(api: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
    answer = api.request(method, path, **more)
    if answer.is_error:
        raise Unavailable("drill_failed", f"{method} {path} gave {answer.status_code}: {answer.text[:300]}")
    return answer


def _start(api: httpx.Client, body: bytes) -> dict[str, Any]:
    upload: dict[str, Any] = _call(
        api, "POST", "/v1/projects/default/uploads", json={"size_bytes": len(body)}
    ).json()
    return upload


def _parts(upload: dict[str, Any], body: bytes) -> list[bytes]:
    size = upload["part_bytes"]
    return [body[at : at + size] for at in range(0, len(body), size)]


def _upload(api: httpx.Client, ct: NDArray[np.int16]) -> str:
    body = _packed(ct)
    upload = _start(api, body)
    for number, part in enumerate(_parts(upload, body), 1):
        _call(api, "PUT", f"/v1/uploads/{upload['id']}/parts/{number}", content=part)
    return str(_call(api, "POST", f"/v1/uploads/{upload['id']}/complete").json()["id"])


def _begin(api: httpx.Client, known: Acknowledged) -> None:
    """Upload the first of two parts."""
    known.last_ct = _ct(TWO_PARTS, 0)
    body = _packed(known.last_ct, level=0)
    upload = _start(api, body)
    first, known.last_part = _parts(upload, body)
    _call(api, "PUT", f"/v1/uploads/{upload['id']}/parts/1", content=first)
    known.upload_id = upload["id"]


@contextmanager
def _uploading(root: Path, shape: tuple[int, int, int]) -> Iterator[None]:
    """Go on uploading as other people would; what becomes of these is not judged."""
    stop = threading.Event()

    def go_on() -> None:
        with _api(root) as api:
            seed = 1000
            while not stop.is_set():
                _upload(api, _ct(shape, seed))
                seed += 1

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(300)


def _restore(folder: Path, copy: Path, passphrase: str) -> None:
    secret = folder.with_name("drill-passphrase")
    secret.touch(mode=0o600)
    secret.write_text(passphrase)
    environment = child_environment() | {"SEGLOOP_HOME": str(copy), "SEGLOOP_WITHOUT": SERVERS_AND_API}
    command = [sys.executable, "-m", "segloop.cli", "restore", str(folder), "--passphrase-file", str(secret)]
    try:
        done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    finally:
        secret.unlink()
    if done.returncode:
        raise Unavailable("drill_failed", f"The restore failed: {done.stderr.strip()[-500:]}")


def _compare(api: httpx.Client, known: Acknowledged) -> None:
    if _call(api, "GET", f"/v1/uploads/{known.upload_id}").json()["received"] != [1]:
        raise Unavailable("drill_failed", "A part of an upload that was acknowledged is not there.")
    _call(api, "PUT", f"/v1/uploads/{known.upload_id}/parts/2", content=known.last_part)
    finished = _call(api, "POST", f"/v1/uploads/{known.upload_id}/complete").json()["id"]
    assert known.last_ct is not None
    for volume_id, ct in (*known.volumes.items(), (finished, known.last_ct)):
        body = _call(api, "GET", f"/v1/volumes/{volume_id}/content").content
        found = nibabel.Nifti1Image.from_bytes(gzip.decompress(body))
        if not np.array_equal(np.asanyarray(found.dataobj), ct):
            raise Unavailable("drill_failed", f"Volume {volume_id} was restored with other voxels.")
