"""Who is sending which series at the moment: when an association is over that brought a series, nobody need wait long for more of it."""

import threading
import time
from collections import Counter

FEWEST = 2
"""A sender that brings so many of a series on one association is not one of those that open one for each file."""
KEPT_S = 3600.0


class Senders:
    """What open associations have brought, and how they ended, by series. Thread-safe; forgotten when the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, Counter[str]] = {}
        self._released: dict[str, float] = {}

    def brought(self, association: object, series: str) -> None:
        """Note that an association brought an instance of a series."""
        with self._lock:
            self._open.setdefault(id(association), Counter())[series] += 1
            self._released.pop(series, None)

    def ended(self, association: object, *, is_whole: bool) -> None:
        """Note that an association is over; `is_whole` where its sender said so, and did not break off."""
        now = time.monotonic()
        with self._lock:
            # What was sent again and was here already is never closed, and so never forgotten otherwise.
            self._released = {one: at for one, at in self._released.items() if now - at < KEPT_S}
            for series, n in self._open.pop(id(association), Counter()).items():
                if is_whole and n >= FEWEST:
                    self._released[series] = now

    def is_coming(self, series: str) -> bool:
        """Say whether an open association brings a series, or one that did was released; of one that brought a single file, nobody knows."""
        with self._lock:
            return series in self._released or any(
                brought[series] >= FEWEST for brought in self._open.values()
            )

    def has_settled(self, series: str, settle_s: float) -> bool:
        """Say whether the last association that brought a series was released so long ago, and no other brings it."""
        with self._lock:
            released = self._released.get(series)
            if released is None or time.monotonic() - released < settle_s:
                return False
            return not any(series in brought for brought in self._open.values())

    def forget(self, series: str) -> None:
        """Drop what is known of a series that was closed."""
        with self._lock:
            self._released.pop(series, None)
