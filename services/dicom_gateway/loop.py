"""Work that goes on until the process ends, each in a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from segloop import alive
from segloop.errors import SegloopError

log = logging.getLogger(__name__)
IDLE_S, AWAY_S = 0.5, 5.0
END_S = 5.0
WATCH_S, LONGEST_STEP_S = 5.0, 900.0
"""How often it is looked whether all loops come round, and how long one step may take: a large series to a slow peer."""


class Loops:
    """Repeats steps, at once after one that changed something, else after a moment. What a step raises is logged by its kind."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._ending = threading.Event()
        self._rounds: dict[str, float] = {}
        self._threads: list[threading.Thread] = []

    def add(self, name: str, step: Callable[[], bool], *, idle_s: float = IDLE_S) -> None:
        """Have a step repeated from `start` on; `idle_s` after it changed nothing, 0 for one that waits itself."""
        thread = threading.Thread(target=self._run, args=(name, step, idle_s), name=name, daemon=True)
        self._threads.append(thread)

    def start(self) -> None:
        """Begin all, and the one that gives the sign of life while each of them comes round."""
        for thread in self._threads:
            self._rounds[thread.name] = time.monotonic()
            thread.start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def stop(self) -> None:
        """Let steps end that end soon; every step can be done again, so others are left behind."""
        self._ending.set()
        end = time.monotonic() + END_S
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, end - time.monotonic()))

    def _run(self, name: str, step: Callable[[], bool], idle_s: float) -> None:
        while not self._ending.is_set():
            self._rounds[name] = time.monotonic()
            try:
                pause = 0.0 if step() else idle_s
            except SegloopError as error:
                log.warning("%s waits: %s", name, error.code)
                pause = AWAY_S
            except Exception as error:
                log.error("%s: a step failed and is done again: %s", name, type(error).__name__)
                pause = IDLE_S
            self._ending.wait(pause)

    def _watch(self) -> None:
        while True:
            hanging = [
                name for name, at in list(self._rounds.items()) if time.monotonic() - at > LONGEST_STEP_S
            ]
            if hanging:
                log.error("%s: a step takes longer than %.0f s", ", ".join(hanging), LONGEST_STEP_S)
            else:
                self._sign()
            if self._ending.wait(WATCH_S):
                return

    def _sign(self) -> None:
        try:
            alive.give(self._scratch, "gateway")
        except OSError as error:
            log.warning("no sign of life given: %s", type(error).__name__)
