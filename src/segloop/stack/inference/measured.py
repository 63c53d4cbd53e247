"""Wall clock, processor time and memory of a command and all its children."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from segloop.errors import Unavailable

EVERY_S = 0.5


@dataclass(frozen=True)
class Cost:
    """What something took; memory is the largest sum of proportional set sizes over a process tree that was seen."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Cost:
    """Run a command to its end and return what it and its children took.

    Raises:
        Unavailable: `bench_failed`, with the log's end.
    """
    before, began = os.times(), time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=dict(environment), stdout=output, stderr=output, start_new_session=True
        )
        peak = Peak(process.pid)
        process.wait()
        wall_s = time.monotonic() - began
        peak_bytes = peak.stop()
    after = os.times()
    if process.returncode:
        raise Unavailable("bench_failed", f"{command[0]} failed: {log.read_text()[-800:]}")
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(wall_s, cpu_s, peak_bytes)


class Peak:
    """Looks at a process tree twice a second until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._pid, self._bytes, self._done = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Return the most bytes that were seen."""
        self._done.set()
        self._thread.join()
        return self._bytes

    def _watch(self) -> None:
        while not self._done.wait(EVERY_S):
            self._bytes = max(self._bytes, tree_bytes(self._pid))


def own_peak_bytes() -> int:
    """Return the most memory that was resident in this process since the last call; the kernel keeps count."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")  # begins a new peak
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def tree_bytes(pid: int) -> int:
    """Return the proportional set size of a process and its children, 0 where it is gone."""
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total += _bytes(process)
    except psutil.Error:
        pass
    return total


def _bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
