"""An order to pull: one entry whoever asks, the job that waits for it is followed, and why no volume comes of it is said."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segloop.errors import Conflict, InvalidInput, NotFound, Unavailable
from services.dicom_gateway import order_retrieve
from services.dicom_gateway.config import Config
from services.dicom_gateway.deliveries import Delivery
from services.dicom_gateway.destinations import CStore
from services.dicom_gateway.entry import Entry
from services.dicom_gateway.order_retrieve import retrieve
from services.dicom_gateway.spool import Spool

CONFIG = Config(destinations={"pacs": CStore(name="pacs", aet="PACS", host="h", port=104)})
ORDER = {"source": "archive", "study_uid": "1.2", "series_uid": "1.2.3", "project": "neck", "job_id": "j1"}


class Archive:
    """A source that has one series."""

    def __init__(self, spool: Spool) -> None:
        self.spool, self.away = spool, 0

    def retrieve(self, source: str, study: str, series: str, decide: Callable[[Entry], Entry]) -> Entry:
        if self.away:
            self.away -= 1
            raise Unavailable("source_unavailable", "It is away.")
        if series != "1.2.3":
            raise NotFound("series_unknown_at_source", "It has none.")
        draft = self.spool.draft()
        draft.write_bytes(b"one")
        return self.spool.add_series(source, series, {"1.2.3.4": draft}, decide)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_retrieve, "LOOK_S", 0.01)
    monkeypatch.setattr(order_retrieve, "WAITS_S", (0.01,) * 4)


@pytest.fixture
def follow(spool: Spool) -> Iterator[Callable[..., None]]:
    """Begin to do with every closed series what a follower would: change it so."""
    ending = threading.Event()
    threads = []

    def begin(**values: Any) -> None:
        def run() -> None:
            while not ending.wait(0.01):
                for entry in spool.entries():
                    if entry.stage == "closed":
                        spool.write(replace(entry, **values))

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield begin
    ending.set()
    for thread in threads:
        thread.join(10)


def do(spool: Spool, **changes: Any) -> Mapping[str, Any]:
    return retrieve(CONFIG, spool, Archive(spool), {**ORDER, **changes})  # type: ignore[arg-type]


def test_a_series_is_pulled_for_a_job_and_its_volume_named(spool: Spool, follow: Callable[..., None]) -> None:
    follow(stage="uploaded", volume_id="v1")
    result = do(spool, priority="stat", destinations=["pacs"], forms=["seg"])
    (entry,) = spool.entries()
    assert result == {"series": entry.key, "volume_id": "v1"}
    assert (entry.route, entry.caller, entry.project, entry.priority) == (
        "retrieve",
        "archive",
        "neck",
        "stat",
    )
    assert (entry.job_id, entry.destinations, entry.outputs) == ("j1", ("pacs",), ("seg",))
    assert do(spool, priority="stat", destinations=["pacs"]) == result and len(spool.entries()) == 1


def test_one_that_was_here_already_follows_the_new_job_from_where_it_is(
    spool: Spool, follow: Callable[..., None]
) -> None:
    follow(stage="done", volume_id="v1", mask_id="m1", deliveries=(Delivery("pacs", "seg", "verified"),))
    do(spool)
    assert do(spool)["volume_id"] == "v1" and spool.entries()[0].stage == "done", "the same order again"
    assert do(spool, job_id="j2", destinations=["pacs"])["volume_id"] == "v1"
    (entry,) = spool.entries()
    assert (entry.stage, entry.job_id, entry.destinations, entry.deliveries) == (
        "uploaded",
        "j2",
        ("pacs",),
        (),
    )


@pytest.mark.parametrize("away", [3, 99])
def test_a_source_that_is_away_is_tried_again_for_a_while(
    spool: Spool, follow: Callable[..., None], away: int
) -> None:
    follow(stage="uploaded", volume_id="v1")
    archive = Archive(spool)
    archive.away = away
    if away == 3:
        assert retrieve(CONFIG, spool, archive, ORDER)["volume_id"] == "v1"  # type: ignore[arg-type]
    else:
        with pytest.raises(Unavailable):
            retrieve(CONFIG, spool, archive, ORDER)  # type: ignore[arg-type]


def test_why_no_volume_comes_of_it_is_said(spool: Spool, follow: Callable[..., None]) -> None:
    follow(stage="failed", code="dicom_missing_slices", message="2 slices are missing.")
    with pytest.raises(InvalidInput) as failed:
        do(spool)
    assert (failed.value.code, failed.value.message) == ("dicom_missing_slices", "2 slices are missing.")


def test_one_that_is_under_way_for_another_job_is_left_to_it(
    spool: Spool, follow: Callable[..., None]
) -> None:
    follow(stage="segmenting", volume_id="v1")
    do(spool)
    with pytest.raises(Conflict) as busy:
        do(spool, job_id="j2")
    assert busy.value.code == "series_under_way" and spool.entries()[0].job_id == "j1"


def test_what_is_not_there_or_not_known_is_said(spool: Spool) -> None:
    with pytest.raises(NotFound):
        do(spool, series_uid="9.9")
    with pytest.raises(InvalidInput) as unknown:
        do(spool, destinations=["nowhere"])
    assert unknown.value.code == "destination_unknown" and spool.entries() == []
