"""The supervisor: starts services in the order of their dependencies, keeps them up, and stops them in reverse."""

import fcntl
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from subprocess import Popen
from types import TracebackType
from typing import IO

from segloop.errors import Conflict, SegloopError, Unavailable
from segloop.logs import get_logger
from segloop.stack import process
from segloop.stack.home import Home
from segloop.stack.service import Service

log = get_logger(__name__)

POLL_S = 0.1
FIRST_BACKOFF_S = 0.2
CRASHES_ALLOWED, CRASH_WINDOW_S = 5, 60.0
PROBE_EVERY_S, PROBES_MISSED_ALLOWED = 15.0, 4


class State(StrEnum):
    """Where one service is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    HEALTHY = "healthy"
    FINISHED = "finished"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass
class Child:
    """A service and what became of it so far; times are of the monotonic clock."""

    service: Service
    state: State = State.WAITING
    process: Popen[bytes] | None = None
    started: float = 0.0
    started_at: float = 0.0
    not_before: float = 0.0
    next_probe: float = 0.0
    probes_missed: int = 0
    restarts: int = 0
    log_offset: int = 0
    initialized: bool = False
    last_error: str = ""


class Lock:
    """The right to supervise one data folder; the kernel releases it when the holder dies."""

    def __init__(self, home: Home) -> None:
        self._path = home.run / "lock"
        self._file: IO[str] | None = None

    def __enter__(self) -> "Lock":
        """Take the lock.

        Raises:
            Conflict: another supervisor holds it.
        """
        self._file = open(self._path, "a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise Conflict("already_running", f"Segloop is already running in {self._path.parents[1]}.") from None
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._file:
            self._file.close()


def end_leftovers(home: Home, stops: Sequence[Service] = ()) -> list[str]:
    """End what a killed supervisor left running, judged by its pid files; call it with the lock held."""
    import signal

    how = {service.name: (service.stop_signal, service.stop_limit_s) for service in stops}
    ended = []
    for pid_file in sorted(home.run.glob("*.pid")):
        stop_signal, limit_s = how.get(pid_file.stem, (signal.SIGTERM, 10.0))
        if process.end_leftover(pid_file, stop_signal, limit_s):
            ended.append(pid_file.stem)
    return ended
