"""Work that goes on until the process ends, each in a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable

from segloop.errors import Unavailable

log = logging.getLogger(__name__)
IDLE_S, AWAY_S = 0.5, 5.0
END_S = 5.0


class Loops:
    """Repeats steps, at once after one that changed something, else after a moment. What a step raises is logged by its kind."""

    def __init__(self) -> None:
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []

    def add(self, name: str, step: Callable[[], bool]) -> None:
        """Have a step repeated from `start` on."""
        thread = threading.Thread(target=self._run, args=(name, step), name=name, daemon=True)
        self._threads.append(thread)

    def start(self) -> None:
        """Begin all."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let steps end that end soon; every step can be done again, so others are left behind."""
        self._ending.set()
        end = time.monotonic() + END_S
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, end - time.monotonic()))

    def _run(self, name: str, step: Callable[[], bool]) -> None:
        while not self._ending.is_set():
            try:
                changed = step()
            except Unavailable as error:
                log.warning("%s waits: %s", name, error.code)
                self._ending.wait(AWAY_S)
                changed = True
            except Exception as error:
                log.error("%s: a step failed and is done again: %s", name, type(error).__name__)
                changed = False
            if not changed:
                self._ending.wait(IDLE_S)
