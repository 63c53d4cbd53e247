"""A series is brought while it comes; what was made of a part of it never stands for the whole."""

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from segloop.errors import Conflict, Unavailable
from services.dicom_gateway import early as module
from services.dicom_gateway.config import Config
from services.dicom_gateway.early import Early
from services.dicom_gateway.follow import Follower
from services.dicom_gateway.rules import Rule
from services.dicom_gateway.spool import Spool, stem_of
from tests.dicom_series import slices, voxels, write

CALLER, SERIES = "CT", "1.2.3"


class FakeApi:
    """Takes series as they come; a volume is named by how many files it is of."""

    def __init__(self, *, in_use: bool = False) -> None:
        self.uploads: list[list[str]] = []
        self.withdrawn: list[str] = []
        self.in_use = in_use
        self.away = False

    def upload(self, files: Iterable[Path], *, project: str) -> tuple[str, bool]:
        names = [file.name for file in files]
        self.uploads.append(names)
        return f"volume of {len(names)}", True

    def withdraw(self, volume_id: str) -> None:
        if self.away:
            raise Unavailable("api_unavailable", "The API can't be reached.")
        if self.in_use:
            raise Conflict("volume_in_use", "It stays.")
        self.withdrawn.append(volume_id)

    def segment(self, volume_id: str, *, project: str, priority: str) -> str:
        return "job"

    def job(self, job_id: str) -> dict[str, Any]:
        return {"state": "running"}


class Scanner:
    """Sends the slices of one series on associations of its own."""

    def __init__(self, spool: Spool, folder: Path) -> None:
        self.spool, self.bodies = (
            spool,
            [file.read_bytes() for file in write(folder, slices(voxels((8, 8, 9))))],
        )

    def send(self, first: int, last: int, *, release: bool = True) -> object:
        association = object()
        for number in range(first, last):
            self.spool.senders.brought(association, stem_of(CALLER, SERIES))
            self.spool.store(CALLER, SERIES, f"1.2.3.{number}", self.bodies[number])
        if release:
            self.spool.senders.ended(association, is_whole=True)
        return association


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def scanner(spool: Spool, tmp_path: Path) -> Scanner:
    return Scanner(spool, tmp_path / "ct")


def parts(spool: Spool, api: FakeApi, **rule: Any) -> tuple[Early, Follower]:
    config = Config(settle_s=0.3, quiet_s=600, rules=(Rule("all", {}, project="neck", **rule),))
    early = Early(config, spool, api)  # type: ignore[arg-type]
    return early, Follower(config, spool, api, early)  # type: ignore[arg-type]


def until(follower: Follower, spool: Spool, stage: str) -> Any:
    return (
        eventually(lambda: follower.step() or True, lambda: spool.entries()[0].stage == stage)
        and spool.entries()[0]
    )


def eventually(do: Callable[[], object], holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        do()
        time.sleep(0.02)
    return True


def test_a_series_is_brought_as_it_comes_and_is_not_uploaded_again(spool: Spool, scanner: Scanner) -> None:
    api = FakeApi()
    early, follower = parts(spool, api)
    association = scanner.send(0, 4, release=False)
    bringing = threading.Thread(target=early.step)
    bringing.start()
    eventually(lambda: None, lambda: early.is_under_way(spool.entries()[0]))
    for number in range(4, 9):
        spool.senders.brought(association, stem_of(CALLER, SERIES))
        spool.store(CALLER, SERIES, f"1.2.3.{number}", scanner.bodies[number])
    spool.senders.ended(association, is_whole=True)
    bringing.join(20)
    assert [len(names) for names in api.uploads] == [9]
    entry = until(follower, spool, "segmenting")
    assert entry.volume_id == "volume of 9" and entry.project == "neck"
    assert len(api.uploads) == 1 and not api.withdrawn


@pytest.mark.parametrize("in_use", [False, True])
def test_a_part_is_taken_back_and_the_whole_goes_on(spool: Spool, scanner: Scanner, in_use: bool) -> None:
    api = FakeApi(in_use=in_use)
    early, follower = parts(spool, api)
    scanner.send(0, 4)
    assert early.step() and len(api.uploads[0]) == 4
    scanner.send(4, 9)
    assert not early.step(), "a series is brought early once"
    entry = until(follower, spool, "segmenting")
    assert entry.volume_id == "volume of 9"
    assert [len(names) for names in api.uploads] == [4, 9]
    early.step()
    assert api.withdrawn == ([] if in_use else ["volume of 4"])


def test_a_part_is_taken_back_also_where_more_came_before_it_was_used_and_the_api_was_away(
    spool: Spool, scanner: Scanner
) -> None:
    api = FakeApi()
    early, _ = parts(spool, api)
    scanner.send(0, 4)
    assert early.step()
    (part,) = spool.entries()
    assert eventually(lambda: None, lambda: spool.close(part, quiet_s=600, settle_s=0.0) is not None)
    scanner.send(4, 9)  # a new entry with all of it; the part's goes no further
    api.away = True
    early.step()
    assert api.withdrawn == []
    api.away = False
    early.step()
    assert api.withdrawn == ["volume of 4"]


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("when", ["while it is stored", "then"])
def test_a_part_that_was_stored_as_the_whole_is_taken_back_unless_it_was_there_before_or_is_named(
    spool: Spool, scanner: Scanner, monkeypatch: pytest.MonkeyPatch, when: str, is_new: bool
) -> None:
    api = FakeApi()
    early, follower = parts(spool, api)
    scanner.send(0, 4)
    (part,) = spool.entries()
    upload = api.upload

    def grows(files: Iterable[Path], *, project: str) -> tuple[str, bool]:
        volume_id, _ = upload(files, project=project)
        if when == "while it is stored":
            scanner.send(4, 9)
        return volume_id, is_new

    monkeypatch.setattr(api, "upload", grows)
    eventually(follower.step, lambda: bool(api.uploads))
    if when == "then":
        now = spool.get(part.key)
        assert now is not None and now.stage == "uploaded" and now.volume_id == "volume of 4"
        scanner.send(4, 9)
    grown = spool.get(part.key)
    assert grown is not None and grown.code == "series_grew"
    early._withdraw({entry.key: entry for entry in spool.entries()})
    is_unused = is_new and when == "while it is stored"
    assert api.withdrawn == (["volume of 4"] if is_unused else []) and not early._stored


def test_the_volume_of_a_series_that_went_on_stays(spool: Spool, scanner: Scanner) -> None:
    api = FakeApi()
    early, follower = parts(spool, api)
    scanner.send(0, 9)
    assert until(follower, spool, "segmenting").volume_id == "volume of 9"
    early._withdraw({entry.key: entry for entry in spool.entries()})
    scanner.send(0, 9)
    early._withdraw({entry.key: entry for entry in spool.entries()})
    assert api.withdrawn == [] and not early._stored


def test_one_that_no_rule_takes_in_the_end_is_not_brought(spool: Spool, scanner: Scanner) -> None:
    api = FakeApi()
    early, follower = parts(spool, api, fewest_slices=20)
    scanner.send(0, 9)
    assert early.step()
    assert not api.uploads
    assert until(follower, spool, "ignored").code == "not_routed"


def test_a_sender_that_falls_silent_holds_nothing(
    spool: Spool, scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENT_S", 0.2)
    api = FakeApi()
    early, _ = parts(spool, api)
    scanner.send(0, 5, release=False)
    assert early.step()
    (entry,) = spool.entries()
    assert not api.uploads and early.take(entry) is None and not early.is_under_way(entry)


def test_what_comes_one_file_an_association_is_left_until_it_is_whole(spool: Spool, scanner: Scanner) -> None:
    api = FakeApi()
    early, _ = parts(spool, api)
    for number in range(3):
        scanner.send(number, number + 1)
    assert not early.step() and not api.uploads
