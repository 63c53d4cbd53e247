"""`segloop bench`: measured times, appended to a file so that versions and machines can be compared."""

import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from segloop.stack import control, state
from segloop.stack import demo as demonstration

RESULTS = "bench.jsonl"


def demo(root: Path, say: Callable[[str], None]) -> None:
    """Measure a start of the whole stack and the phantom's way through it; a stack that runs is restarted first."""
    control.down(root, say)
    up_s = control.up(root, say)
    began = time.monotonic()
    demonstration.run(root, None, say)
    demo_s = time.monotonic() - began
    _record(root, "demo", up_s=round(up_s, 1), demo_s=round(demo_s, 1))
    say(f"up {up_s:.1f} s, demo {demo_s:.1f} s, on {os.cpu_count()} cores; recorded in {root / RESULTS}")


def viewer(root: Path, say: Callable[[str], None], *, short: bool) -> None:
    """Measure the viewer and the editor in a real browser on the stack, which is started if it isn't up."""
    # Only here: the browser's driver is no part of what a hospital installs.
    from segloop.stack import bench_viewer

    if not state.read(root).is_up:
        control.up(root, say)
    environment = state.environment(root)
    headers = {"Authorization": f"Bearer {environment['SEGLOOP_TOKEN']}"}
    with httpx.Client(base_url=environment["SEGLOOP_API_URL"], headers=headers, timeout=120) as api:
        found = bench_viewer.run(root, partial(_upload, api), say, short=short)
    _record(root, "viewer", **found)
    say(f"Recorded in {root / RESULTS}")


def inference(root: Path, data: Path | None, say: Callable[[str], None], *, short: bool) -> None:
    """Measure the engine beside nnU-Net's command, then the whole service on the stack, which is started if it isn't up."""
    # Only here: the stack's own commands need neither torch nor nnU-Net.
    from segloop.stack.inference import proof, queue

    folder = root / "bench-inference"
    rows = proof.engine(folder, data, say, short=short)
    if not state.read(root).is_up:
        control.up(root, say)
    _record(root, "inference", engine=rows, service=queue.measure(root, folder / "queue", say, short=short))
    say(f"Recorded in {root / RESULTS}")


def restore(root: Path, say: Callable[[str], None], *, short: bool) -> None:
    """Measure a backup of the stack, which is started if it isn't up, and a restore of it beside the original."""
    from segloop.stack.backup import drill

    found = drill.run(root, say, short=short)
    _record(root, "restore", **found)
    say(
        f"Backed up {found['mb']:.0f} MB in {found['backup_s']} s, restored in {found['restore_s']} s; nothing acknowledged is"
        f" missing. Recorded in {root / RESULTS}"
    )


def dicom(root: Path, say: Callable[[str], None], *, short: bool) -> None:
    """Measure a series' way in through the gateway on the stack, which is started if it isn't up."""
    from segloop.stack import bench_dicom  # only here: DICOM's libraries take a second to load

    if not state.read(root).is_up:
        control.up(root, say)
    _record(root, "dicom", **bench_dicom.run(state.environment(root), say, short=short))
    say(f"Recorded in {root / RESULTS}")


def _upload(api: httpx.Client, path: Path, **options: object) -> dict[str, Any]:
    return demonstration.upload(api, path, lambda _: None, **options)


def _record(root: Path, what: str, **found: object) -> None:
    record = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "what": what,
        **found,
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 1),
        "machine": platform.machine(),
    }
    with (root / RESULTS).open("a") as file:
        file.write(json.dumps(record) + "\n")
