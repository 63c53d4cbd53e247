"""A worker's heartbeat: a sign of life for its health check, and a row for the metrics."""

import logging
import shutil
import subprocess
import time
from pathlib import Path

from segloop import alive
from segloop.database import Engine, transaction
from segloop.errors import SegloopError
from segloop.jobs.workers import table

log = logging.getLogger(__name__)
REPORT_S, GPU_LIMIT_S = 10.0, 5.0


class Beat:
    """Called from the worker's own loop: by the thread that does jobs while none runs, by the lease's renewal while one does."""

    def __init__(self, engine: Engine, *, name: str, queue: str, scratch: Path) -> None:
        self._engine, self._name, self._queue, self._scratch = engine, name, queue, scratch
        self._reported = -REPORT_S

    def __call__(self) -> None:
        """Give the sign of life, and every `REPORT_S` a report; a database that is away is met again next time."""
        try:
            alive.give(self._scratch, self._queue)
        except OSError as error:  # a full disk, which must not end the lease
            log.warning("no sign of life given: %s", type(error).__name__)
        if time.monotonic() - self._reported < REPORT_S:
            return
        self._reported = time.monotonic()
        used, total = gpu_memory() or (None, None)
        try:
            with transaction(self._engine) as conn:
                table.save(
                    conn,
                    name=self._name,
                    queue=self._queue,
                    gpu_used_bytes=used,
                    gpu_total_bytes=total,
                    disk_free_bytes=shutil.disk_usage(self._scratch).free,
                )
        except (SegloopError, OSError) as error:
            log.warning("not reported: %s", type(error).__name__)


def gpu_memory() -> tuple[int, int] | None:
    """Return (used, total) bytes over all GPUs of this container, or None where there is none.

    The driver's own tool is asked: a CUDA context only to look would take half a gigabyte itself.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = [program, "--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, check=True, capture_output=True, text=True, timeout=GPU_LIMIT_S)
        rows = [
            [int(value) for value in line.split(",")] for line in done.stdout.splitlines() if line.strip()
        ]
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if not rows:
        return None
    return sum(row[0] for row in rows) * 2**20, sum(row[1] for row in rows) * 2**20
