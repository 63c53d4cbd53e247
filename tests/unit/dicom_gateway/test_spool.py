"""Received files: durable, never overwritten, and a series that grows after it was closed begins again with all of it."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from segloop.errors import Conflict, Unavailable
from services.dicom_gateway.deliveries import Delivery
from services.dicom_gateway.entry import Entry, Stage
from services.dicom_gateway.spool import Spool


def test_an_instance_is_kept_once_and_other_content_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert spool.store("A", "1.2", "1.2.3", b"one")
    assert not spool.store("A", "1.2", "1.2.3", b"one")
    with pytest.raises(Conflict):
        spool.store("A", "1.2", "1.2.3", b"other")
    (entry,) = spool.entries()
    assert [file.read_bytes() for file in spool.files(entry).iterdir()] == [b"one"]


def test_series_of_several_callers_stay_apart_and_names_tell_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.store("A", "1.2.840.99", "1.2.3", b"one")
    spool.store("B", "1.2.840.99", "1.2.3", b"two")
    assert len(spool.entries()) == 2
    assert not [path for path in tmp_path.rglob("*") if "840" in path.name]


def test_a_series_is_closed_when_nothing_came_for_a_while(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.store("A", "1.2", "1.2.3", b"one")
    (entry,) = spool.entries()
    assert spool.close(entry, quiet_s=60) is None
    time.sleep(0.05)
    closed = spool.close(entry, quiet_s=0.04)
    assert closed is not None and closed.stage == "closed"
    assert spool.close(entry, quiet_s=0.0) is None  # it is closed already


def test_what_comes_late_begins_the_series_again_with_all_of_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.store("A", "1.2", "1.2.3", b"one")
    (entry,) = spool.entries()
    time.sleep(0.02)
    spool.close(entry, quiet_s=0.01)
    spool.store("A", "1.2", "1.2.4", b"two")
    assert not spool.store("A", "1.2", "1.2.3", b"one")
    later = next(one for one in spool.entries() if one.stage == "receiving")
    assert sorted(file.read_bytes() for file in spool.files(later).iterdir()) == [b"one", b"two"]
    assert [file.read_bytes() for file in spool.files(entry).iterdir()] == [b"one"]


def test_state_outlives_the_process(tmp_path: Path) -> None:
    Spool(tmp_path).store("A", "1.2", "1.2.3", b"one")
    (entry,) = Spool(tmp_path).entries()
    Spool(tmp_path).write(
        replace(entry, stage="delivering", deliveries=(Delivery("pacs", "seg", "verified"),))
    )
    (again,) = Spool(tmp_path).entries()
    assert (again.stage, again.deliveries) == ("delivering", (Delivery("pacs", "seg", "verified"),))


def test_what_has_ended_is_forgotten_in_time(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for series in ("1", "2"):
        spool.store("A", series, "1.2.3", b"one")
    first, _ = spool.entries()
    spool.write(replace(first, stage="done", touched=time.time() - 100))
    spool.sweep(keep_s=1000)
    assert len(spool.entries()) == 2
    spool.sweep(keep_s=50)
    assert [entry.stage for entry in spool.entries()] == ["receiving"]


def test_a_file_that_came_in_pieces_is_kept_like_any_other_and_its_draft_is_gone(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for body in (b"one", b"one", b"other"):
        draft = spool.draft()
        draft.write_bytes(body)
        if body == b"other":
            with pytest.raises(Conflict):
                spool.take("A", "1.2", "1.2.3", draft, route="stow-rs")
        else:
            spool.take("A", "1.2", "1.2.3", draft, route="stow-rs")
        assert not draft.exists()
    (entry,) = spool.entries()
    assert [file.read_bytes() for file in spool.files(entry).iterdir()] == [b"one"]


def test_drafts_of_a_process_that_died_are_removed(tmp_path: Path) -> None:
    Spool(tmp_path).draft().write_bytes(b"half")
    assert not list(Spool(tmp_path).draft().parent.iterdir())


def test_a_disk_that_is_full_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)

    def full(path: Path, pieces: object) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("services.dicom_gateway.spool.write", full)
    with pytest.raises(OSError, match="No space"):
        spool.store("A", "1.2", "1.2.3", b"one")
    assert not spool.entries() and not list(spool.draft().parent.iterdir())


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda n: spool.store("A", f"1.{n % 3}", f"1.2.{n}", b"%d" % n), range(60)))
    assert all(kept)
    found = {file.read_bytes() for entry in spool.entries() for file in spool.files(entry).iterdir()}
    assert found == {b"%d" % n for n in range(60)} and len(spool.entries()) == 3


def test_what_another_version_wrote_is_read_without_what_this_one_does_not_know(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.store("A", "1.2", "1.2.3", b"one")
    (entry,) = spool.entries()
    said = replace(entry, stage="delivering", deliveries=(Delivery("pacs", "seg"),))
    values = said.to_dict() | {"mood": "new"}
    values["deliveries"] = [one | {"mood": "new"} for one in values["deliveries"]]
    (tmp_path / entry.key / "state.json").write_text(json.dumps(values))
    assert Spool(tmp_path).entries() == [said]


@pytest.mark.parametrize(
    "broken", ['{"key": "ab', "[1]", "{}", '{"key": "k", "caller": "A", "deliveries": [3]}']
)
def test_a_state_that_can_not_be_read_costs_that_series_only(tmp_path: Path, broken: str) -> None:
    spool = Spool(tmp_path)
    for series in ("1", "2"):
        spool.store("A", series, "1.2.3", b"one")
    lost = spool.entries()[0]
    (tmp_path / lost.key / "state.json").write_text(broken)
    spool = Spool(tmp_path)  # the files are read when the process starts
    assert {entry.key: entry.code for entry in spool.entries()}[lost.key] == "state_unreadable"
    assert sorted(entry.stage for entry in spool.entries()) == ["failed", "receiving"]
    assert not spool.store("A", "1", "1.2.3", b"one")  # sent again, it begins again
    assert sorted(entry.stage for entry in spool.entries()) == ["failed", "receiving", "receiving"]
    spool.sweep(keep_s=-60)
    assert sorted(entry.stage for entry in spool.entries()) == ["receiving", "receiving"]
    assert not (tmp_path / lost.key).exists()


@pytest.mark.parametrize("stage", ["closed", "uploaded", "segmenting", "delivering"])
def test_what_is_made_of_a_part_is_not_delivered_beside_the_whole(tmp_path: Path, stage: Stage) -> None:
    spool = Spool(tmp_path)
    spool.store("A", "1.2", "1.2.3", b"one")
    (part,) = spool.entries()
    spool.write(replace(part, stage=stage, volume_id="v", mask_id="m"))
    spool.store("A", "1.2", "1.2.4", b"two")
    found = {entry.key: entry for entry in spool.entries()}
    assert (found[part.key].stage, found[part.key].code) == ("ignored", "series_grew")
    assert found[part.key].mask_id == "m", "a person can have it sent all the same"
    assert [entry.stage for entry in found.values() if entry.key != part.key] == ["receiving"]


def test_what_was_delivered_or_asked_for_by_somebody_stays_when_more_comes(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.store("A", "1.2", "1.2.3", b"one")
    (part,) = spool.entries()
    spool.write(replace(part, stage="done"))
    spool.store("A", "1.2", "1.2.4", b"two")
    for number in range(2):
        draft = spool.draft()
        draft.write_bytes(b"%d" % number)
        spool.add_series("archive", "1.2", {f"1.2.{number}": draft}, lambda entry: replace(entry, job_id="j"))
    assert sorted(entry.stage for entry in spool.entries()) == ["closed", "closed", "done", "receiving"]


def test_after_the_start_no_state_is_read_from_the_disk_and_all_stay_as_it_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Spool(tmp_path).store("A", "1.1", "1.2.3", b"one")
    spool = Spool(tmp_path)
    with monkeypatch.context() as patch:
        for module in ("states", "ended"):
            patch.setattr(f"services.dicom_gateway.{module}.read_state", _unread)
        (first,) = spool.entries()
        done = spool.write(replace(first, stage="done", touched=time.time() - 100))
        spool.store("A", "1.1", "1.2.4", b"two")  # it begins again
        spool.store("A", "1.2", "1.2.3", b"one")
        (other,) = [entry for entry in spool.entries() if entry.key[:24] != first.key[:24]]
        at = time.time() - 60
        failed = spool.update(other.key, lambda now: replace(now, stage="failed", code="c", touched=at))
        assert failed is not None
        beside = spool.beside(failed, lambda entry: replace(entry, job_id="j"))
        assert spool.get(done.key) == done and spool.get(beside.key) == beside
        spool.sweep(keep_s=80)
        there = spool.entries()
    assert [entry.stage for entry in there] == ["failed", "receiving", "closed"]
    assert Spool(tmp_path).entries() == there, "what it says is what is on disk"
    assert spool.get(done.key) is None


def test_where_a_state_can_not_be_written_it_stands_where_it_stood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.store("A", "1.2", "1.2.3", b"one")
    (entry,) = spool.entries()

    def full(folder: Path, entry: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("services.dicom_gateway.states.write_state", full)
        with pytest.raises(Unavailable):
            spool.update(entry.key, lambda now: replace(now, stage="closed"))
    assert spool.entries() == [entry] == Spool(tmp_path).entries()


def test_a_series_that_somebody_removed_by_hand_is_no_more(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.store("A", "1.1", "1.2.3", b"one")
    spool.store("A", "1.2", "1.2.3", b"one")
    waiting, over = spool.entries()
    spool.write(replace(over, stage="failed", touched=1.0))
    for entry in (waiting, over):
        shutil.rmtree(tmp_path / entry.key)
    assert spool.ready(waiting.key) is None
    spool.sweep(keep_s=60)
    assert spool.entries() == []


def _unread(file: Path) -> Entry:
    raise AssertionError("a state was read again")
