"""One supervisor a data folder: the lock, and the end of what a killed supervisor left running."""

import fcntl
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Self

from segloop.errors import Conflict
from segloop.stack import process
from segloop.stack.home import Home

# What ends each server cleanly, and how long that may take; anything else gets SIGTERM and ten seconds.
LEFTOVER_STOPS: Mapping[str, tuple[signal.Signals, float]] = {
    "postgres": (signal.SIGINT, 30.0),
    "valkey": (signal.SIGTERM, 20.0),
    "seaweed": (signal.SIGTERM, 6.0),
}


class Lock:
    """The right to supervise one data folder; the kernel releases it when the holder dies."""

    def __init__(self, home: Home) -> None:
        self._path = home.run / "lock"
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            Conflict: another supervisor holds it.
        """
        self._file = open(self._path, "a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            folder = self._path.parents[1]
            raise Conflict(
                "already_running",
                f"Segloop is already running on the data folder {folder}.",
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()


def is_held(root: Path) -> bool:
    """Say whether a supervisor runs on this data folder, without disturbing it."""
    try:
        with open(root / "run/lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def end_leftovers(home: Home) -> list[str]:
    """End what a killed supervisor left running, judged by its pid files; call it with the lock held."""
    ended = []
    for pid_file in sorted(home.run.glob("*.pid")):
        how, limit_s = LEFTOVER_STOPS.get(pid_file.stem, (signal.SIGTERM, 10.0))
        if process.end_leftover(pid_file, how, limit_s):
            ended.append(pid_file.stem)
    return ended
