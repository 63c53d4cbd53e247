"""When a benchmark must pause, and that only one works in a folder."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from segloop.errors import Conflict


class OutOfTime(Exception):
    """The minutes are over; the same command goes on where it was."""


@dataclass(frozen=True)
class Limit:
    """How long a call may work; `minutes` of None is for ever."""

    minutes: float | None = None
    began: float = field(default_factory=time.monotonic)

    def left_s(self) -> float | None:
        """Return the seconds left, None for no limit.

        Raises:
            OutOfTime: when there are none.
        """
        if self.minutes is None:
            return None
        left = self.began + 60 * self.minutes - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return left


@contextmanager
def only_one(folder: Path) -> Iterator[int]:
    """Hold the folder; children that inherit the yielded descriptor hold it too, so none is left behind unnoticed.

    Raises:
        Conflict: `bench_running`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                "bench_running", f"A benchmark is working in {folder}. Wait for it, or end it, and try again."
            ) from None
        yield file.fileno()
