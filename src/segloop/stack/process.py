"""Child processes: started so that they cannot outlive us unnoticed, and stopped with their whole group."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

LOG_LIMIT_BYTES = 20_000_000
LOGS_KEPT = 3
_PR_SET_PDEATHSIG = 1


def spawn(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    death_signal: signal.Signals,
    drop: Mapping[str, Any],
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, its output appended to `log`.

    On Linux the kernel sends it `death_signal` when the calling thread ends, however that happens.
    """
    rotate(log)
    parent = os.getpid()
    with open(log, "ab") as output:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            umask=0o077,
            preexec_fn=lambda: _die_with(parent, death_signal),
            **drop,
        )


def _die_with(parent: int, death_signal: signal.Signals) -> None:
    # Runs in the child after setuid, which would clear the request.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != parent:
        os._exit(1)


def stop(process: subprocess.Popen[bytes], limit_s: float) -> None:
    """Wait for a process that was asked to end, kill it at the limit, and end what is left of its group."""
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    kill_group(process.pid)


def kill_group(leader: int) -> None:
    """Kill every process of the session that `leader` began; none left is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def rotate(log: Path) -> None:
    """Move a log that grew beyond LOG_LIMIT_BYTES out of the way, keeping the last LOGS_KEPT."""
    if not log.exists() or log.stat().st_size < LOG_LIMIT_BYTES:
        return
    for age in range(LOGS_KEPT - 1, 0, -1):
        older = log.with_name(f"{log.name}.{age}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{age + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))


def truncate(log: Path) -> None:
    """Rotate the log of a process that still writes to it: copy, then empty, since the writer keeps its handle."""
    if not log.exists() or log.stat().st_size < LOG_LIMIT_BYTES:
        return
    with open(log, "rb") as grown:
        content = grown.read()
    rotated = log.with_name(f"{log.name}.1")
    if rotated.exists():
        rotated.replace(log.with_name(f"{log.name}.2"))
    rotated.write_bytes(content)
    os.truncate(log, 0)


def remember(pid_file: Path, process: subprocess.Popen[bytes]) -> None:
    """Note pid and command line, so that a later start can tell our leftover from a stranger with the same pid."""
    pid_file.write_text(json.dumps({"pid": process.pid, "command": process.args}))


def end_leftover(pid_file: Path, how: signal.Signals, limit_s: float) -> bool:
    """End the process an earlier supervisor left behind, if the noted pid still runs the noted command."""
    try:
        noted = json.loads(pid_file.read_text())
        process = psutil.Process(noted["pid"])
        ours = process.cmdline() == noted["command"]
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        ours = False
    pid_file.unlink(missing_ok=True)
    if not ours:
        return False
    process.send_signal(how)
    try:
        process.wait(limit_s)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(5)
    kill_group(noted["pid"])
    return True
