"""What the follower does about series that change, or go on failing, while it works on them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.dicom_gateway.config import Config
from services.dicom_gateway.entry import Entry
from services.dicom_gateway.follow import Follower
from services.dicom_gateway.spool import Spool


class FakeApi:
    """Takes every series; `meanwhile` happens while it does."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.meanwhile = meanwhile
        self.uploaded: list[list[str]] = []

    def upload(self, files: Sequence[Path], *, project: str) -> str:
        self.uploaded.append([file.read_text() for file in files])
        self.meanwhile()
        return f"volume {len(self.uploaded)}"

    def segment(self, volume_id: str, *, project: str, priority: str) -> str:
        return f"job of {volume_id}"

    def job(self, job_id: str) -> dict[str, Any]:
        return {"state": "running"}


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A spool with one series that is closed and routed."""
    spool = Spool(tmp_path)
    spool.store("A", "1.2", "1.2.3", b"one")
    stand(spool, stage="closed", project="neck")
    return spool


def stand(spool: Spool, **values: Any) -> Entry:
    """Let the only series stand somewhere."""
    (entry,) = spool.entries()
    return spool.write(replace(entry, **values))


def follower(spool: Spool, api: FakeApi, **values: Any) -> Follower:
    return Follower(Config(quiet_s=600, **values), spool, api)  # type: ignore[arg-type]


def test_a_series_that_grows_while_it_is_uploaded_goes_no_further_as_the_part_it_was(spool: Spool) -> None:
    api = FakeApi(lambda: spool.store("A", "1.2", "1.2.4", b"two"))
    (part,) = spool.entries()
    follower(spool, api).step()
    found = {entry.key: entry for entry in spool.entries()}
    assert (found[part.key].stage, found[part.key].code) == ("ignored", "series_grew")
    whole = next(entry for entry in found.values() if entry.key != part.key)
    spool.write(replace(whole, stage="closed", project="neck"))
    api.meanwhile = lambda: None
    while follower(spool, api).step():
        pass
    assert sorted(api.uploaded[1]) == ["one", "two"]
    assert {entry.key: entry.job_id for entry in spool.entries()} == {
        part.key: "",
        whole.key: "job of volume 2",
    }
