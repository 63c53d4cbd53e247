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
from services.dicom_gateway.entry import Entry, Stage
from services.dicom_gateway.follow import Follower
from services.dicom_gateway.order_retrieve import retrieve
from services.dicom_gateway.spool import Spool

PACS = CStore(name="pacs", aet="PACS", host="h", port=104, forms=("seg", "pdf"))
OTHER = replace(PACS, name="other", aet="OTHER")
CONFIG = Config(destinations={"pacs": PACS, "other": OTHER})
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


def stand(spool: Spool, stage: Stage, **values: Any) -> Entry:
    """Pull the series for the order's job, as far as it is then said to be."""
    found = Archive(spool).retrieve("archive", "1.2", "1.2.3", lambda entry: entry)
    return spool.write(replace(found, stage=stage, volume_id="v1", job_id="j1", project="neck", **values))


def do(spool: Spool, **changes: Any) -> Mapping[str, Any]:
    return retrieve(CONFIG, spool, Archive(spool), {**ORDER, **changes})()  # type: ignore[arg-type]


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
        assert retrieve(CONFIG, spool, archive, ORDER)()["volume_id"] == "v1"  # type: ignore[arg-type]
    else:
        with pytest.raises(Unavailable):
            retrieve(CONFIG, spool, archive, ORDER)  # type: ignore[arg-type]


def test_why_no_volume_comes_of_it_is_said(spool: Spool, follow: Callable[..., None]) -> None:
    follow(stage="failed", code="dicom_missing_slices", message="2 slices are missing.")
    with pytest.raises(InvalidInput) as failed:
        do(spool)
    assert (failed.value.code, failed.value.message) == ("dicom_missing_slices", "2 slices are missing.")


@pytest.mark.parametrize("stage", ["segmenting", "delivering"])
def test_one_that_is_under_way_for_another_job_goes_on_and_this_job_gets_an_entry_of_its_own(
    spool: Spool, follow: Callable[..., None], stage: str
) -> None:
    follow(stage=stage, volume_id="v1", mask_id="m1")
    do(spool)
    (first,) = spool.entries()
    result = do(spool, job_id="j2", destinations=["pacs"])
    second = next(entry for entry in spool.entries() if entry.key != first.key)
    assert result == {"series": second.key, "volume_id": "v1"}
    assert spool.get(first.key) == first
    assert (second.stage, second.job_id, second.mask_id, second.destinations) == (
        "uploaded",
        "j2",
        "",
        ("pacs",),
    )
    assert [file.read_bytes() for file in spool.files(second).glob("*.dcm")] == [b"one"]
    spool.write(replace(first, stage="done"))
    assert do(spool, job_id="j2", destinations=["pacs"]) == result and len(spool.entries()) == 2


def test_one_that_was_routed_anew_meanwhile_is_not_taken_for_the_jobs(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = spool.update

    def then_routed(key: str, change: Callable[[Entry], Entry]) -> Entry | None:
        after = update(key, change)
        update(key, lambda now: replace(now, stage="segmenting", volume_id="v1", job_id="by hand"))
        return after

    monkeypatch.setattr(spool, "update", then_routed)
    with pytest.raises(Conflict) as busy:
        do(spool)
    assert busy.value.code == "series_under_way"


def test_for_a_job_of_another_project_the_series_becomes_a_volume_there(
    spool: Spool, follow: Callable[..., None]
) -> None:
    stand(spool, "done", mask_id="m1")
    follow(stage="uploaded", volume_id="v2")
    assert do(spool, job_id="j2", project="liver")["volume_id"] == "v2"
    (entry,) = spool.entries()
    assert (entry.project, entry.job_id, entry.mask_id) == ("liver", "j2", "")


def test_ordered_again_for_the_same_job_a_result_also_goes_where_it_did_not_go(spool: Spool) -> None:
    entry = stand(spool, "done", mask_id="m1")
    archive = Archive(spool)
    archive.away = 99
    order = {**ORDER, "destinations": ["pacs"], "forms": ["seg"]}
    for _ in range(2):  # nothing is pulled for it
        result = retrieve(CONFIG, spool, archive, order)()  # type: ignore[arg-type]
        assert result == {"series": entry.key, "volume_id": "v1"}
        (now,) = spool.entries()
        assert (now.stage, now.mask_id, now.deliveries) == ("delivering", "m1", (Delivery("pacs", "seg"),))
        assert (now.destinations, now.outputs) == (("pacs",), ("seg",))
    verified = (Delivery("pacs", "seg", "verified"),)
    spool.write(replace(now, stage="done", deliveries=verified))
    do(spool, destinations=["pacs", "other"], forms=["seg", "pdf"])
    (now,) = spool.entries()
    assert now.deliveries == (
        *verified,
        Delivery("pacs", "pdf"),
        Delivery("other", "seg"),
        Delivery("other", "pdf"),
    )
    assert now.destinations == ("pacs", "other") and now.outputs == ("seg", "pdf")


@pytest.mark.parametrize("stage", ["uploaded", "segmenting", "delivering"])
def test_what_is_ordered_while_the_same_job_is_under_way_is_delivered_too(spool: Spool, stage: str) -> None:
    first = (Delivery("pacs", "seg", attempts=3),) if stage == "delivering" else ()
    stand(spool, stage, destinations=("pacs",), outputs=("seg",), deliveries=first)
    do(spool, destinations=["other"], forms=["pdf"])
    do(spool, destinations=["pacs"], forms=["seg"])
    (now,) = spool.entries()
    assert (now.stage, now.destinations) == (stage, ("pacs", "other"))

    class Done:
        def job(self, job_id: str) -> dict[str, Any]:
            return {"state": "succeeded", "mask_id": "m1"}

    Follower(CONFIG, spool, Done()).step()  # type: ignore[arg-type]
    Follower(CONFIG, spool, Done()).step()  # type: ignore[arg-type]
    (now,) = spool.entries()
    assert now.stage == "delivering"
    assert [(one.destination, one.form) for one in now.deliveries] == [("pacs", "seg"), ("other", "pdf")]
    assert now.deliveries[: len(first)] == first


def test_what_is_not_there_or_not_known_is_said(spool: Spool) -> None:
    with pytest.raises(NotFound):
        do(spool, series_uid="9.9")
    with pytest.raises(InvalidInput) as unknown:
        do(spool, destinations=["nowhere"])
    assert unknown.value.code == "destination_unknown" and spool.entries() == []
