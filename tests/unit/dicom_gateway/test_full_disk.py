"""A disk that is full: what is over still goes, other series go on, and nobody is asked the same again and again."""

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segloop.errors import Unavailable
from services.dicom_gateway import ended, loop, spool, state_file, states
from services.dicom_gateway.config import Config
from services.dicom_gateway.deliver import Deliverer
from services.dicom_gateway.deliveries import Delivery
from services.dicom_gateway.destinations import CStore
from services.dicom_gateway.entry import Entry
from services.dicom_gateway.follow import Follower
from services.dicom_gateway.loop import Loops
from services.dicom_gateway.results import Made
from services.dicom_gateway.spool import Spool

LONG_AGO = 1.0
Full = Callable[..., Any]


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Full:
    """Within it no state can be written for which `is_hit` says so."""

    @contextmanager
    def given(is_hit: Callable[[Path, Entry], bool] = lambda folder, entry: True) -> Iterator[None]:
        def write(folder: Path, entry: Entry, *name: str) -> None:
            if is_hit(folder, entry):
                raise OSError(errno.ENOSPC, "No space left on device")
            state_file.write_state(folder, entry, *name)

        with monkeypatch.context() as patch:
            for module in (spool, states, ended):
                patch.setattr(module, "write_state", write)
            yield

    return given


def series(there: Spool, *stages: str, **values: Any) -> list[Entry]:
    """Keep a series at each stage, which ended or was touched last long ago."""
    found = []
    for number, stage in enumerate(stages):
        there.store("A", f"1.{number}", "1.2.3", b"of a patient")
        entry = next(one for one in there.entries() if one.stage == "receiving")
        found.append(there.write(replace(entry, stage=stage, touched=LONG_AGO + number, **values)))
    return found


def images(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*.dcm") if file.is_file()]


def test_what_is_over_goes_all_the_same(tmp_path: Path, full: Full) -> None:
    there = Spool(tmp_path)
    waiting = (Delivery("pacs", "seg"),)
    series(there, "done", "failed", "delivering", mask_id="m", deliveries=waiting)
    with full(), pytest.raises(Unavailable) as later:
        there.sweep(keep_s=60)
    assert later.value.code == "spool_full"
    assert images(tmp_path) == []


def test_what_is_removed_makes_the_room_to_remember_it(tmp_path: Path, full: Full) -> None:
    there = Spool(tmp_path)
    waiting = (Delivery("pacs", "seg"),)
    done, delivering = series(there, "done", "delivering", mask_id="m", deliveries=waiting)
    with full(lambda folder, entry: bool(images(tmp_path / entry.key))):
        there.sweep(keep_s=60)
    assert images(tmp_path) == []
    again = Spool(tmp_path)
    assert again.entries() == [replace(delivering, n_instances=1)]
    assert again.get(done.key) == replace(done, n_instances=1)


def test_one_that_can_not_be_removed_keeps_no_other(tmp_path: Path, full: Full) -> None:
    there = Spool(tmp_path)
    first, second = series(there, "done", "done", mask_id="m")
    with full(lambda folder, entry: entry.key == first.key), pytest.raises(Unavailable):
        there.sweep(keep_s=60)
    assert [entry.key for entry in there.entries()] == [first.key]
    assert there.get(second.key) is not None


class FakeApi:
    """Takes every series and makes every form; counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def upload(self, files: list[Path], *, project: str) -> tuple[str, bool]:
        self.asked.append(files[0].parent.parent.name)
        return f"volume of {self.asked[-1]}", True

    def result(self, mask_id: str, form: str, *, deflated: bool = False, known: Made | None = None) -> Made:
        return Made("", b"object")


def test_a_step_removes_what_is_over_and_takes_the_other_series_on(tmp_path: Path, full: Full) -> None:
    there, api = Spool(tmp_path), FakeApi()
    stuck, over, good = series(there, "closed", "failed", "closed", project="p")
    now = time.time()
    for later, entry in enumerate((stuck, good)):
        there.write(replace(entry, touched=now + later))
    for number in range(2):
        there.store("A", f"2.{number}", "1.2.3", b"coming")
    coming = [entry.key for entry in there.entries() if entry.stage == "receiving"]
    follower = Follower(Config(quiet_s=0.0, keep_s=60.0), there, api)  # type: ignore[arg-type]
    with full(lambda folder, entry: entry.key in (stuck.key, coming[0])):
        for _ in range(3):
            with pytest.raises(Unavailable, match="full"):
                follower.step()
    stages = {entry.key: entry.stage for entry in there.entries()}
    assert over.key not in stages
    assert (stages[stuck.key], stages[coming[0]]) == ("closed", "receiving")
    assert stages[coming[1]] != "receiving"
    assert stages[good.key] == "uploaded", "one that can't be noted must not stand before it for ever"
    assert stuck.key not in api.asked, "the API is not sent what can't be noted"


def test_a_peer_is_not_sent_what_can_not_be_noted(tmp_path: Path, full: Full) -> None:
    there, sent = Spool(tmp_path), list[str]()
    series(there, "delivering", mask_id="m", deliveries=(Delivery("pacs", "seg"),))

    def send(destination: Any, fetch: Any, delivery: Delivery) -> Delivery:
        sent.append(delivery.form)
        return replace(delivery, state="verified")

    config = Config(destinations={"pacs": CStore(name="pacs", aet="PACS", host="h", port=104)})
    deliverer = Deliverer(config, there, FakeApi(), send)  # type: ignore[arg-type]
    with full():
        for _ in range(3):
            with pytest.raises(Unavailable, match="full"):
                deliverer.step("pacs")
    assert sent == []
    deliverer.step("pacs")
    assert sent == ["seg"] and there.entries()[0].stage == "done"


def test_a_loop_whose_disk_is_full_waits_as_for_a_service_that_is_away(
    tmp_path: Path, full: Full, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, pauses = Spool(tmp_path), list[float]()
    (entry,) = series(there, "delivering")
    loops = Loops(tmp_path)
    monkeypatch.setattr(loops._ending, "wait", lambda pause: pauses.append(pause) or loops._ending.set())
    with full():
        loops._run("deliver", lambda: there.update(entry.key, lambda now: now) is not None, 0.5)
    assert pauses == [loop.AWAY_S]


def test_images_leave_room_for_how_far_each_series_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Spool(tmp_path)
    series(there, "done")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=spool.ROOM - 1))
    with pytest.raises(OSError, match="No space"):
        there.store("A", "9.9", "1.2.3", b"one")
    draft = there.draft()
    draft.write_bytes(b"one")
    with pytest.raises(OSError, match="No space"):
        there.add_series("archive", "9.9", {"1.2.3": draft}, lambda entry: entry)
    draft.unlink()
    assert len(there.entries()) == 1 and not list(there.draft().parent.iterdir())
    there.sweep(keep_s=60)
    assert there.entries() == []


def test_a_part_is_not_begun_again_where_that_can_not_be_noted(tmp_path: Path, full: Full) -> None:
    there = Spool(tmp_path)
    (part,) = series(there, "segmenting")
    with full(lambda folder, entry: entry.stage == "ignored"), pytest.raises(OSError, match="No space"):
        there.store("A", "1.0", "1.2.4", b"two")
    assert there.entries() == [part] and not list(tmp_path.glob("*-1.unfinished"))
    there.store("A", "1.0", "1.2.4", b"two")
    assert sorted(entry.stage for entry in there.entries()) == ["ignored", "receiving"]
