"""`segloop bench`: measured times, appended to a file so that versions and machines can be compared."""

import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from segloop.stack import control
from segloop.stack import demo as demonstration


def demo(root: Path, say: Callable[[str], None]) -> None:
    """Measure a start of the whole stack and the phantom's way through it; a stack that runs is restarted first."""
    control.down(root, say)
    up_s = control.up(root, say)
    began = time.monotonic()
    demonstration.run(root, None, say)
    demo_s = time.monotonic() - began
    record = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "what": "demo",
        "up_s": round(up_s, 1),
        "demo_s": round(demo_s, 1),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 1),
        "machine": platform.machine(),
    }
    results = root / "bench.jsonl"
    with results.open("a") as file:
        file.write(json.dumps(record) + "\n")
    say(f"up {up_s:.1f} s, demo {demo_s:.1f} s, on {os.cpu_count()} cores; recorded in {results}")
