"""Orders: each is done and answered, one that takes long holds up no other, and doing one twice is harmless."""

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from segloop import logs, schemas
from segloop.errors import Conflict, InvalidInput, NotFound, SegloopError, Unavailable
from services.dicom_gateway import orders
from services.dicom_gateway.api import Api
from services.dicom_gateway.config import Config
from services.dicom_gateway.deliveries import Delivery
from services.dicom_gateway.destinations import CStore
from services.dicom_gateway.entry import Entry
from services.dicom_gateway.order_kinds import redeliver, route
from services.dicom_gateway.orders import Orders
from services.dicom_gateway.rules import Rule
from services.dicom_gateway.spool import Spool
from tests.dicom_series import slices, voxels

PACS = CStore(name="pacs", aet="PACS", host="h", port=104, forms=("seg", "pdf"))
OTHER = CStore(name="other", aet="OTHER", host="h", port=104)
CONFIG = Config(
    rules=(Rule("all", {}, project="neck", destinations=("pacs",), outputs=("pdf",)),),
    destinations={"pacs": PACS, "other": OTHER},
)


class FakeApi:
    """Gives out orders and keeps the answers."""

    def __init__(self, *given: Mapping[str, Any]) -> None:
        self.waiting = list(given)
        self.answers: dict[str, schemas.OrderResult] = {}
        self.away = 0

    def claim_order(self, aet: str, *, pulls: bool) -> Mapping[str, Any] | None:
        fitting = [one for one in self.waiting if (one["kind"] == "retrieve") == pulls]
        if fitting:
            self.waiting.remove(fitting[0])
        return fitting[0] if fitting else None

    def answer_order(self, aet: str, order_id: str, result: Mapping[str, Any]) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("api_unavailable", "It is away.")
        self.answers[order_id] = schemas.OrderResult.model_validate(result)

    def until(self, n: int) -> None:
        """Wait for so many answers."""
        end = time.monotonic() + 30
        while len(self.answers) < n:
            assert time.monotonic() < end
            time.sleep(0.01)


def order(number: int, kind: str, **payload: object) -> dict[str, Any]:
    return {"id": str(number), "kind": kind, "payload": payload}


def fail(error: Exception) -> orders.Do:
    def do(payload: Mapping[str, Any]) -> Mapping[str, Any]:
        raise error

    return do


def test_each_order_is_done_and_answered_with_what_came_of_it(caplog: pytest.LogCaptureFixture) -> None:
    kinds: dict[str, orders.Do] = {
        "echo": lambda payload: {"name": payload["name"]},
        "route": fail(InvalidInput("destination_unknown", "No such.")),
        "redeliver": fail(RuntimeError("Doe^Jane")),
    }
    api = FakeApi(order(1, "echo", name="pacs"), order(2, "route"), order(3, "redeliver"), order(4, "dance"))
    found = Orders("SEGLOOP", api, kinds, pulls=False)  # type: ignore[arg-type]
    with caplog.at_level("INFO"):
        while found.step():
            pass
        api.until(4)
    assert (api.answers["1"].state, api.answers["1"].result) == ("done", {"name": "pacs"})
    assert [api.answers[n].code for n in "234"] == ["destination_unknown", "internal", "order_unknown"]
    assert "Jane" not in caplog.text + str(api.answers)


def test_an_answer_is_repeated_until_the_api_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "ANSWER_AGAIN_S", 0.01)
    api = FakeApi(order(1, "echo"))
    api.away = 3
    assert Orders("SEGLOOP", api, {"echo": lambda _: {}}, pulls=False).step()  # type: ignore[arg-type]
    api.until(1)
    assert api.away == 0


def test_pulls_that_take_long_hold_up_no_other_and_are_not_begun_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orders, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(orders, "PLACE_S", 0.01)
    go, begun = threading.Event(), list[str]()

    def pull(payload: Mapping[str, Any]) -> Mapping[str, Any]:
        begun.append(payload["of"])
        go.wait(30)
        return {}

    first = order(1, "retrieve", of="1")
    api = FakeApi(first, first, order(2, "retrieve", of="2"), order(3, "retrieve", of="3"), order(4, "echo"))
    kinds: dict[str, orders.Do] = {"retrieve": pull, "echo": lambda _: {}}
    to_pull, others = (Orders("SEGLOOP", api, kinds, pulls=pulls) for pulls in (True, False))  # type: ignore[arg-type]
    while to_pull.step():
        pass
    assert others.step() and not others.step()
    api.until(1)
    assert set(api.answers) == {"4"} and set(begun) == {"1", "2"}, "the third is left for when there is room"
    go.set()
    api.until(3)
    assert to_pull.step()
    api.until(4)
    assert sorted(begun) == ["1", "2", "3"]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path)
    header = slices(voxels())[0]
    file = BytesIO()
    header.save_as(file, enforce_file_format=True)
    spool.store("A", header.SeriesInstanceUID, header.SOPInstanceUID, file.getvalue())
    return spool


def stand(spool: Spool, **values: Any) -> Entry:
    """Let the only series stand somewhere."""
    (entry,) = spool.entries()
    return spool.write(replace(entry, **values))


@pytest.mark.parametrize(
    ("given", "names", "outputs"),
    [(None, ("pacs",), ("pdf",)), (["other"], ("other",), ()), ([], (), ())],
)
def test_a_series_is_routed_by_hand_and_begins_again(
    spool: Spool, given: list[str] | None, names: tuple[str, ...], outputs: tuple[str, ...]
) -> None:
    old = (Delivery("other", "seg", "failed"),)
    entry = stand(
        spool, stage="failed", code="x", job_id="j", mask_id="m", deliveries=old, tries=7, next_try=9e9
    )
    payload = {"series": entry.key, "project": "neck", "priority": "stat", "destinations": given}
    assert route(CONFIG, spool, payload) == {}
    (now,) = spool.entries()
    assert (now.stage, now.project, now.priority, now.destinations, now.outputs) == (
        "closed",
        "neck",
        "stat",
        names,
        outputs,
    )
    assert (now.code, now.job_id, now.mask_id, now.deliveries, now.next_try) == ("", "", "", (), 0.0)
    spool.write(replace(now, stage="segmenting", job_id="j2"))
    assert route(CONFIG, spool, payload) == {}
    assert spool.entries()[0].job_id == "j2", "the same order again changes nothing"


def test_results_are_sent_again_to_one_or_to_all(spool: Spool) -> None:
    done = (Delivery("pacs", "seg", "superseded"), Delivery("pacs", "pdf", "verified", attempts=2))
    entry = stand(spool, stage="done", mask_id="m", destinations=("pacs",), deliveries=done)
    redeliver(CONFIG, spool, {"series": entry.key, "destination": "other"})
    (now,) = spool.entries()
    assert (now.stage, now.deliveries) == ("delivering", (*done, Delivery("other", "seg")))
    redeliver(CONFIG, spool, {"series": entry.key, "destination": None})
    (now,) = spool.entries()
    assert now.deliveries == (Delivery("other", "seg"), Delivery("pacs", "seg"), Delivery("pacs", "pdf"))


def test_what_another_destination_waits_for_is_the_new_mask_of_which_nothing_was_sent(spool: Spool) -> None:
    pending = Delivery("other", "seg", attempts=9, transaction="2.25.1", asks=3, next_try=9e9)
    entry = stand(spool, stage="delivering", mask_id="m", destinations=("pacs",), deliveries=(pending,))
    redeliver(CONFIG, spool, {"series": entry.key, "destination": "pacs", "mask_id": "m"})
    assert spool.entries()[0].deliveries[0] == pending
    redeliver(CONFIG, spool, {"series": entry.key, "destination": "pacs", "mask_id": "corrected"})
    assert spool.entries()[0].deliveries[0] == Delivery("other", "seg")


@pytest.mark.parametrize(
    ("do", "stage", "payload", "error"),
    [
        (route, "failed", {"series": "gone", "project": "p"}, NotFound("series_forgotten", "")),
        (redeliver, "done", {"series": "gone"}, NotFound("series_forgotten", "")),
        (route, "failed", {"project": "p", "destinations": ["x"]}, InvalidInput("destination_unknown", "")),
        (redeliver, "done", {"destination": "x"}, InvalidInput("destination_unknown", "")),
        (redeliver, "segmenting", {}, Conflict("nothing_to_deliver", "")),
        (redeliver, "done", {}, Conflict("nothing_to_deliver", "")),
    ],
)
def test_what_can_not_be_done_is_said(
    spool: Spool, do: Any, stage: str, payload: dict[str, Any], error: SegloopError
) -> None:
    entry = stand(spool, stage=stage, mask_id="m")
    with pytest.raises(type(error)) as refused:
        do(CONFIG, spool, {"series": entry.key, **payload})
    assert refused.value.code == error.code
    assert spool.entries() == [entry]


@pytest.mark.parametrize(
    ("stage", "code"), [("closed", ""), ("failed", "dicom_uneven"), ("ignored", "not_routed"), ("done", "")]
)
def test_a_part_of_a_series_is_never_segmented_or_sent_again(spool: Spool, stage: str, code: str) -> None:
    part = stand(spool, stage=stage, code=code, mask_id="m", project="neck", destinations=("pacs",))
    spool.store("A", slices(voxels())[0].SeriesInstanceUID, "1.2.3", b"more")
    part = spool.get(part.key) or part
    assert (part.code == "series_grew") == (stage == "closed")
    for do in (route, redeliver):
        with pytest.raises(Conflict) as refused:
            do(CONFIG, spool, {"series": part.key, "project": "neck", "destinations": ["pacs"]})
        assert refused.value.code == "series_grew"
    assert spool.get(part.key) == part
    (whole,) = [one for one in spool.entries() if one.key != part.key]
    spool.write(replace(whole, stage="failed"))
    route(CONFIG, spool, {"series": whole.key, "project": "neck", "destinations": ["pacs"]})
    assert {one.key: one.stage for one in spool.entries()}[whole.key] == "closed"


@pytest.mark.parametrize("stage", ["done", "failed", "delivering"])
def test_a_job_of_another_project_leaves_the_series_as_it_is_and_sends_nothing_to_its_destinations(
    spool: Spool, stage: str
) -> None:
    waiting = (Delivery("pacs", "seg"),)
    first = stand(
        spool,
        stage=stage,
        project="clinic",
        volume_id="v",
        job_id="j",
        mask_id="m",
        destinations=("pacs",),
        deliveries=waiting,
    )
    payload = {"series": first.key, "project": "study", "destinations": [], "job_id": "held"}
    for _ in range(2):  # an order may be given out twice
        assert route(CONFIG, spool, payload) == {}
    assert spool.get(first.key) == first
    (second,) = [one for one in spool.entries() if one.key != first.key]
    assert (second.stage, second.project, second.job_id) == ("closed", "study", "held")
    assert (second.destinations, second.deliveries, second.volume_id, second.mask_id) == ((), (), "", "")
    assert spool.count(second) == 1


def test_a_series_that_no_rule_took_follows_the_job_that_waits_for_it(spool: Spool) -> None:
    entry = stand(spool, stage="ignored", code="not_routed")
    route(CONFIG, spool, {"series": entry.key, "project": "neck", "destinations": [], "job_id": "held"})
    (now,) = spool.entries()
    assert (now.key, now.stage, now.project, now.job_id) == (entry.key, "closed", "neck", "held")


def test_the_destinations_of_a_rule_are_not_those_of_another_project(spool: Spool) -> None:
    entry = stand(spool, stage="failed", project="clinic")
    config = replace(CONFIG, rules=(Rule("all", {}, project="clinic", destinations=("pacs",)),))
    route(config, spool, {"series": entry.key, "project": "study", "destinations": None})
    (now,) = spool.entries()
    assert (now.project, now.destinations) == ("study", ())


def test_a_series_that_grows_while_it_is_routed_is_not_begun_again(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = stand(spool, stage="failed", project="neck")
    update = spool.update

    def grown(key: str, change: Any) -> Entry | None:
        spool.store("A", slices(voxels())[0].SeriesInstanceUID, "1.2.3", b"more")
        return update(key, change)

    monkeypatch.setattr(spool, "update", grown)
    with pytest.raises(Conflict):
        route(CONFIG, spool, {"series": part.key, "project": "neck", "destinations": ["pacs"]})
    assert spool.get(part.key) == part


def test_what_is_done_for_an_order_carries_its_id_into_the_apis_requests() -> None:
    number = "019ab0c3-5e02-7b9c-8f3a-3a3f6a0f2c11"
    given = {"id": number, "kind": "echo", "payload": {}}
    api, seen = FakeApi(given), []

    def echo(payload: Mapping[str, Any]) -> Mapping[str, Any]:
        sender._send("GET", "/v1/jobs")
        return {}

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["X-Request-Id"])
        return httpx.Response(200, json={})

    sender = Api("http://api", "token")
    sender._http = httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer))
    sender._send("GET", "/v1/jobs")
    Orders("SEGLOOP", api, {"echo": echo}, pulls=False).step()  # type: ignore[arg-type]
    api.until(1)
    assert seen[1] == number and logs.is_request_id(seen[0]) and seen[0] != number


def test_results_are_sent_again_long_after_the_files_are_gone_and_nothing_else_can_be_done(
    spool: Spool,
) -> None:
    done = (Delivery("pacs", "seg", "verified"),)
    entry = stand(spool, stage="done", mask_id="m", destinations=("pacs",), deliveries=done, touched=0.0)
    spool.sweep(keep_s=60)
    assert spool.entries() == []
    with pytest.raises(NotFound) as gone:
        route(CONFIG, spool, {"series": entry.key, "project": "p"})
    assert gone.value.code == "series_forgotten"
    redeliver(CONFIG, spool, {"series": entry.key, "destination": None, "mask_id": "corrected"})
    (now,) = spool.entries()
    assert (now.stage, now.mask_id, now.n_instances) == ("delivering", "corrected", 1)
    stand(spool, stage="done", touched=0.0)
    spool.sweep(keep_s=60)
    again = spool.get(entry.key)
    assert again is not None and again.n_instances == 1
    assert spool.get("../" + entry.key) is None


def test_a_series_without_a_result_is_forgotten_for_good_and_all_others_in_time(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = stand(spool, stage="failed", touched=0.0)
    spool.sweep(keep_s=60)
    assert spool.get(entry.key) is None
    spool.store("A", "1.2", "1.2.3", b"one")
    entry = stand(spool, stage="done", mask_id="m", touched=0.0)
    spool.sweep(keep_s=60)
    assert spool.get(entry.key) is not None
    monkeypatch.setattr("services.dicom_gateway.ended.REMEMBERED_S", -1.0)
    spool.sweep(keep_s=60)
    assert spool.get(entry.key) is None


def test_what_only_waits_for_a_volume_holds_no_place() -> None:
    stored = threading.Event()

    def pull(payload: Mapping[str, Any]) -> orders.Do:
        return lambda: {"waited": stored.wait(30), "series": payload["series"]}  # type: ignore[return-value,misc]

    n = orders.MOST_AT_ONCE + 2
    api = FakeApi(*(order(number, "retrieve", series=number) for number in range(n)))
    served = Orders("SEGLOOP", api, {"retrieve": pull}, pulls=True)  # type: ignore[arg-type,dict-item]
    end = time.monotonic() + 30
    while api.waiting:
        assert time.monotonic() < end
        served.step()
    assert not api.answers
    stored.set()
    api.until(n)
    assert {one.result["series"] for one in api.answers.values()} == set(range(n))
    places = [served._free.acquire(timeout=30) for _ in range(orders.MOST_AT_ONCE)]
    assert all(places) and not served._free.acquire(blocking=False), "each place was given back once"
