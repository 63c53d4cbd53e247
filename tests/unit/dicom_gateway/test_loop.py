"""Loops go on whatever a step raises, tell nothing of a patient, and rest where nothing can be done."""

import threading
import time
from pathlib import Path

import pytest

from segloop.errors import InvalidInput, Unavailable
from services.dicom_gateway import loop
from services.dicom_gateway.loop import Loops


def test_each_goes_on_after_what_its_step_raised_and_another_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loop, "IDLE_S", 0.01)
    monkeypatch.setattr(loop, "AWAY_S", 0.01)
    monkeypatch.setattr(loop, "END_S", 0.2)
    raised = [
        RuntimeError("Doe^Jane"),
        Unavailable("api_unavailable", "Away."),
        InvalidInput("dicom_not_set_up", "No."),
    ]
    done, go = threading.Event(), threading.Event()

    def step() -> bool:
        if raised:
            raise raised.pop(0)
        done.set()
        return False

    loops = Loops(tmp_path)
    loops.add("hangs", lambda: go.wait(60))
    loops.add("works", step)
    with caplog.at_level("INFO"):
        loops.start()
        assert done.wait(30)
        begin = time.monotonic()
        loops.stop()
    assert time.monotonic() - begin < 10, "one that hangs is left behind"
    go.set()
    for word in ("RuntimeError", "api_unavailable", "dicom_not_set_up"):
        assert word in caplog.text
    assert "Jane" not in caplog.text
