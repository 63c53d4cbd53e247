"""How many refusals of one asker are told in a minute; those beyond are counted, and the count is told later."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

MOST_A_MINUTE = 10
MOST_ASKERS = 10_000
WINDOW_S = 60.0


@dataclass(frozen=True)
class Asker:
    """Who was refused, and in which project (None: in none): one's noise hides neither another nor another project's.

    Only who is nobody we know is told apart by address: behind one router are many.
    """

    name: str
    address: str
    project_id: str | None


@dataclass(frozen=True)
class Turn:
    """A refusal that is to be told: how many before it were not, and whether the ones after it in this minute won't be."""

    n_untold: int
    is_last: bool


@dataclass
class _Count:
    since: float
    n: int = 0
    n_untold: int = 0


class RefusalCounts:
    """Counts by the minute in this process, of the askers that came last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: OrderedDict[Asker, _Count] = OrderedDict()
        self._forgotten: list[tuple[Asker, int]] = []

    def take(self, asker: Asker) -> Turn | None:
        """Count a refusal; None where it isn't to be told."""
        now = time.monotonic()
        with self._lock:
            count = self._of.pop(asker, None) or _Count(now)
            if now - count.since > WINDOW_S:
                count.since, count.n = now, 0
            count.n += 1
            self._keep(asker, count)
            if count.n > MOST_A_MINUTE:
                count.n_untold += 1
                return None
            turn = Turn(count.n_untold, count.n == MOST_A_MINUTE)
            count.n_untold = 0
            return turn

    def add_untold(self, asker: Asker, n: int) -> None:
        """Count refusals that could not be told."""
        with self._lock:
            count = self._of.pop(asker, None) or _Count(time.monotonic())
            count.n_untold += n
            self._keep(asker, count)

    def take_untold(self, *, is_end: bool = False) -> list[tuple[Asker, int]]:
        """Return, once, how many refusals were not told of those whose minute is over, or at the end of all."""
        now = time.monotonic()
        with self._lock:
            found, self._forgotten = self._forgotten, []
            for asker, count in self._of.items():
                if count.n_untold and (is_end or now - count.since > WINDOW_S):
                    found.append((asker, count.n_untold))
                    count.n_untold = 0
            return found

    def _keep(self, asker: Asker, count: _Count) -> None:
        self._of[asker] = count
        while len(self._of) > MOST_ASKERS:
            oldest, gone = self._of.popitem(last=False)
            if gone.n_untold:
                self._forgotten.append((oldest, gone.n_untold))
