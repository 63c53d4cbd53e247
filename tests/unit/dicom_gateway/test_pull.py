"""Pulls of one series by C-MOVE come one after the other, and none fails for the other's sake."""

import threading
from pathlib import Path

from services.dicom_gateway.pull import Awaited, Pull
from services.dicom_gateway.spool import Spool


def test_a_second_pull_of_a_series_waits_for_the_first_and_another_series_does_not(tmp_path: Path) -> None:
    spool, awaited = Spool(tmp_path), Awaited()
    first, second, other = (Pull(spool, "1.2", series) for series in ("1.2.3", "1.2.3", "1.2.4"))
    came, go = threading.Event(), threading.Event()

    def pull() -> None:
        with awaited.awaiting(second, "OLD"):
            came.set()
            go.wait(30)

    waiting = threading.Thread(target=pull)
    with awaited.awaiting(first, "OLD"):
        waiting.start()
        with awaited.awaiting(other, "OLD"):
            assert awaited.pull_of("1.2.4", "OLD", is_answer=True) is other
        assert awaited.pull_of("1.2.3", "OLD", is_answer=True) is first
        assert not came.wait(0.2)
    assert came.wait(30)
    assert awaited.pull_of("1.2.3", "OLD", is_answer=True) is second
    go.set()
    waiting.join(30)
    assert awaited.pull_of("1.2.3", "OLD", is_answer=True) is None
