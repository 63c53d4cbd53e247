"""Deliveries: each (destination, form) has a state of its own, waits by itself, and gives way to other forms where it must."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segloop.errors import InvalidInput, SegloopError, Unavailable
from services.dicom_gateway.config import Config
from services.dicom_gateway.deliver import Deliverer, Fetch
from services.dicom_gateway.deliveries import (
    MOST_DENIALS,
    MOST_UNEXPECTED,
    Delivery,
    NotTaken,
    after_error,
    ended,
    plan,
    settle,
)
from services.dicom_gateway.destinations import CStore, Destination
from services.dicom_gateway.entry import Entry
from services.dicom_gateway.results import Made
from services.dicom_gateway.spool import Spool

PACS = CStore(name="pacs", aet="PACS", host="h", port=104, forms=("seg", "pdf"), fallback=("pdf", "capture"))
OTHER = CStore(name="other", aet="OTHER", host="h", port=104)
CONFIG = Config(destinations={"pacs": PACS, "other": OTHER})
Answer = Callable[[Destination, str], None]


class FakeApi:
    """Makes forms, and counts how often; what is said of a mask is in its tag."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.said = "unreviewed"
        self.refuses: SegloopError | None = None

    def result(self, mask_id: str, form: str, *, deflated: bool = False, known: Made | None = None) -> Made:
        if self.refuses is not None:
            raise self.refuses
        if known is not None and known.tag == self.said:
            return known
        self.made.append(form)
        return Made(self.said, f"{mask_id} {form} {deflated} {self.said}".encode())


class Peers:
    """What destinations got, and a way for them to refuse: `answer` raises."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.got = answer, list[tuple[str, str, bytes]]()

    def __call__(self, destination: Destination, fetch: Fetch, delivery: Delivery) -> Delivery:
        body = fetch(False)
        self.got.append((destination.name, delivery.form, body))
        self.answer(destination, delivery.form)
        return ended(delivery, "verified")


def take(destination: Destination, form: str) -> None:
    pass


def delivering(folder: Path, answer: Answer, config: Config = CONFIG) -> tuple[Deliverer, Any, Peers]:
    """Return a deliverer for one series whose result is there."""
    spool, api, peers = Spool(folder), FakeApi(), Peers(answer)
    spool.store("A", "1.2", "1.2.3", b"one")
    (entry,) = spool.entries()
    due = plan(CONFIG.destinations, CONFIG.destinations, ())
    spool.write(replace(entry, stage="delivering", mask_id="m", deliveries=due))
    return Deliverer(config, spool, api, peers), api, peers  # type: ignore[arg-type]


def drain(deliverer: Deliverer, destination: str | None = None) -> int:
    """Take steps while anything is due, and return how many."""
    n_steps = 0
    while deliverer.step(destination):
        n_steps += 1
    return n_steps


def hurry(deliverer: Deliverer) -> Entry:
    """Let everything that waits be due, try it, and return the series."""
    (entry,) = deliverer.spool.entries()
    soon = tuple(replace(one, next_try=0.0) for one in entry.deliveries)
    deliverer.spool.write(replace(entry, deliveries=soon))
    drain(deliverer)
    return deliverer.spool.entries()[0]


def states(entry: Entry) -> dict[tuple[str, str], str]:
    return {(one.destination, one.form): one.state for one in entry.deliveries}


def test_every_form_goes_once_to_every_destination_that_wants_it(tmp_path: Path) -> None:
    deliverer, api, peers = delivering(tmp_path, take)
    assert drain(deliverer) == 3, (
        "one delivery at a step: it stays short where many wait for a peer that hangs"
    )
    (entry,) = deliverer.spool.entries()
    assert (entry.stage, entry.code) == ("done", "")
    assert [(name, form) for name, form, _ in peers.got] == [
        ("pacs", "seg"),
        ("pacs", "pdf"),
        ("other", "seg"),
    ]
    assert api.made == ["seg", "pdf"], "made once for all destinations"
    assert not list(tmp_path.rglob("results"))


def test_one_that_is_down_waits_alone_and_longer_each_time(tmp_path: Path) -> None:
    def down(destination: Destination, form: str) -> None:
        if destination.name == "other":
            raise Unavailable("destination_unavailable", "It is away.")

    deliverer, api, peers = delivering(tmp_path, down)
    waits = []
    for _ in range(12):
        entry = hurry(deliverer)
        waits.append(entry.deliveries[2].next_try - time.time())
    assert states(entry) == {
        ("pacs", "seg"): "verified",
        ("pacs", "pdf"): "verified",
        ("other", "seg"): "waiting",
    }
    assert (entry.stage, entry.deliveries[2].code) == ("delivering", "destination_unavailable")
    assert (
        entry.deliveries[2].attempts == 12 and waits[0] <= 1 and 3 < waits[2] <= 4 and 250 < waits[11] <= 300
    )
    assert not deliverer.step(), "it is not due"
    peers.answer = take
    assert hurry(deliverer).stage == "done" and api.made == ["seg", "pdf"]
    assert len({body for name, _, body in peers.got if name == "other"}) == 1


def test_a_form_that_is_not_taken_gives_way_to_the_others_and_says_why(tmp_path: Path) -> None:
    def no_seg(destination: Destination, form: str) -> None:
        if form == "seg" and destination.name == "pacs":
            raise NotTaken(Delivery(destination.name, form))

    deliverer, _, peers = delivering(tmp_path, no_seg)
    drain(deliverer)
    entry = hurry(deliverer)
    assert entry.stage == "done"
    assert states(entry)[("pacs", "seg")] == "superseded"
    assert entry.deliveries[0].code == "form_not_taken" and "pdf, capture" in entry.deliveries[0].message
    assert [form for name, form, _ in peers.got if name == "pacs"] == ["seg", "pdf", "capture"]


def test_of_a_mask_without_a_label_goes_what_can_say_that_nothing_was_found(tmp_path: Path) -> None:
    deliverer, api, _ = delivering(tmp_path, take)

    def nothing_found(mask_id: str, form: str, **_: Any) -> Made:
        if form == "seg":
            raise InvalidInput("mask_empty", "No label is in this mask.")
        return Made("", b"nothing was found")

    api.result = nothing_found
    drain(deliverer)
    entry = hurry(deliverer)
    assert states(entry) == {
        ("pacs", "seg"): "superseded",
        ("pacs", "pdf"): "verified",
        ("pacs", "capture"): "verified",
        ("other", "seg"): "superseded",  # which has no fallback
    }
    assert (entry.stage, entry.code) == ("done", ""), "that nothing was found is no failure"
    assert [one.code for one in entry.deliveries if one.state == "superseded"] == ["mask_empty"] * 2
    assert "Instead it gets: pdf, capture" in entry.deliveries[0].message
    assert "Instead" not in entry.deliveries[2].message


def test_a_fallback_that_can_not_say_that_nothing_was_found_gives_way_to_the_next() -> None:
    def settled(*all_of: Delivery, form: str) -> tuple[Delivery, ...]:
        error = InvalidInput("mask_empty", "No label is in this mask.")
        return settle(all_of, after_error(Delivery("pacs", form), error), ("rtstruct", "pdf"))

    first = settled(Delivery("pacs", "seg"), form="seg")
    assert [one.form for one in first] == ["seg", "rtstruct", "pdf"]
    states = {one.form: one.state for one in settled(*first, form="rtstruct")}
    assert states == {"seg": "superseded", "rtstruct": "superseded", "pdf": "waiting"}


@pytest.mark.parametrize("refused", ["all forms", "no fallback"])
def test_where_nothing_is_taken_it_has_failed_and_the_others_have_theirs(
    tmp_path: Path, refused: str
) -> None:
    def nothing(destination: Destination, form: str) -> None:
        if destination.name == ("pacs" if refused == "all forms" else "other"):
            raise NotTaken(Delivery(destination.name, form))

    deliverer, _, _ = delivering(tmp_path, nothing)
    drain(deliverer)
    entry = hurry(deliverer)
    assert (entry.stage, entry.code) == ("failed", "form_not_taken")
    assert "waiting" not in states(entry).values() and "verified" in states(entry).values()


def test_one_that_lies_about_success_is_believed_so_often_and_no_longer(tmp_path: Path) -> None:
    def lie(destination: Destination, form: str) -> None:
        if destination.name == "other":
            raise Unavailable("delivery_not_found", "It said success, and does not have it.")

    deliverer, _, peers = delivering(tmp_path, lie)
    for _ in range(MOST_DENIALS + 2):
        entry = hurry(deliverer)
    assert (entry.stage, entry.code) == ("failed", "delivery_not_found")
    assert sum(name == "other" for name, _, _ in peers.got) == MOST_DENIALS


def test_what_is_unexpected_holds_up_nobody_and_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(destination: Destination, form: str) -> None:
        if form == "pdf":
            raise RuntimeError("Doe^Jane")

    deliverer, _, _ = delivering(tmp_path, odd)
    with caplog.at_level("INFO"):
        drain(deliverer)
    (entry,) = deliverer.spool.entries()
    assert states(entry) == {
        ("pacs", "seg"): "verified",
        ("pacs", "pdf"): "waiting",
        ("other", "seg"): "verified",
    }
    assert entry.deliveries[1].code == "internal" and "Jane" not in caplog.text
    assert all("Jane" not in file.read_text(errors="ignore") for file in tmp_path.rglob("state.json"))


def test_a_refusal_is_for_good_and_a_destination_that_is_gone_is_said(tmp_path: Path) -> None:
    def refuse(destination: Destination, form: str) -> None:
        raise InvalidInput("destination_refuses", "No.")

    deliverer, _, peers = delivering(tmp_path, refuse, Config(destinations={"pacs": PACS}))
    drain(deliverer, "pacs")
    (entry,) = deliverer.spool.entries()
    assert [one.code for one in entry.deliveries] == [
        "destination_refuses",
        "destination_refuses",
        "destination_gone",
    ]
    assert entry.stage == "failed" and len(peers.got) == 2


def test_a_series_that_was_begun_again_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    def restarted(destination: Destination, form: str) -> None:
        (entry,) = deliverer.spool.entries()
        deliverer.spool.write(replace(entry, stage="closed"))

    deliverer, _, _ = delivering(tmp_path, restarted, Config(destinations={"other": OTHER}))
    drain(deliverer, "other")
    assert deliverer.spool.entries()[0].stage == "closed"


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda entry: replace(entry, stage="ignored", code="series_grew"),
        lambda entry: replace(entry, mask_id="corrected"),
        lambda entry: replace(entry, deliveries=(ended(entry.deliveries[0], "sent"),)),
    ],
    ids=["the series grew", "another mask was chosen", "another did it"],
)
def test_what_is_no_longer_to_be_delivered_when_it_is_made_is_not_sent(
    tmp_path: Path, meanwhile: Callable[[Entry], Entry]
) -> None:
    deliverer, api, peers = delivering(tmp_path, take, Config(destinations={"other": OTHER}))
    (entry,) = deliverer.spool.entries()
    wanted = replace(entry, deliveries=(Delivery("other", "seg"),))
    deliverer.spool.write(wanted)
    make = api.result

    def overtaken(mask_id: str, form: str, **said: Any) -> Any:
        deliverer.spool.write(meanwhile(wanted))
        return make(mask_id, form, **said)

    api.result = overtaken
    assert deliverer.step()
    assert peers.got == [] and deliverer.spool.entries() == [meanwhile(wanted)]


def test_what_waits_longest_goes_first_so_that_none_is_kept_from_its_turn(tmp_path: Path) -> None:
    deliverer, _, peers = delivering(tmp_path, take)
    (entry,) = deliverer.spool.entries()
    due = tuple(replace(one, next_try=at) for one, at in zip(entry.deliveries, (3.0, 2.0, 1.0), strict=True))
    deliverer.spool.write(replace(entry, deliveries=due))
    drain(deliverer)
    assert [(name, form) for name, form, _ in peers.got] == [
        ("other", "seg"),
        ("pacs", "pdf"),
        ("pacs", "seg"),
    ]


def test_another_mask_is_never_taken_for_the_one_that_was_sent(tmp_path: Path) -> None:
    def corrected(destination: Destination, form: str) -> None:
        (entry,) = deliverer.spool.entries()
        if entry.mask_id == "m":
            due = plan(CONFIG.destinations, ["other"], ())
            deliverer.spool.write(replace(entry, mask_id="corrected", deliveries=due))

    deliverer, _, peers = delivering(tmp_path, corrected, Config(destinations={"other": OTHER}))
    while not peers.got:
        assert deliverer.step("other")
    assert states(deliverer.spool.entries()[0]) == {("other", "seg"): "waiting"}
    assert hurry(deliverer).stage == "done"
    assert [body.split()[0] for _, _, body in peers.got] == [b"m", b"corrected"]


def test_what_never_goes_right_is_tried_so_often_and_no_longer(tmp_path: Path) -> None:
    def odd(destination: Destination, form: str) -> None:
        if form == "pdf":
            raise RuntimeError("Doe^Jane")

    deliverer, _, peers = delivering(tmp_path, odd)
    for _ in range(MOST_UNEXPECTED + 2):
        entry = hurry(deliverer)
    assert (entry.stage, entry.code) == ("failed", "internal") and "log" in entry.message
    assert sum(form == "pdf" for _, form, _ in peers.got) == MOST_UNEXPECTED


def waiting_for_a_peer(folder: Path) -> tuple[Deliverer, Any, Peers]:
    """Return a deliverer whose one delivery was tried while its peer was away."""

    def away(destination: Destination, form: str) -> None:
        raise Unavailable("destination_unavailable", "It is away.")

    deliverer, api, peers = delivering(folder, away, Config(destinations={"other": OTHER}))
    (entry,) = deliverer.spool.entries()
    deliverer.spool.write(replace(entry, deliveries=(Delivery("other", "seg"),)))
    assert hurry(deliverer).stage == "delivering" and len(peers.got) == 1
    peers.answer = take
    return deliverer, api, peers


def test_what_was_rejected_while_its_peer_was_away_is_not_sent(tmp_path: Path) -> None:
    deliverer, api, peers = waiting_for_a_peer(tmp_path)
    api.refuses = InvalidInput("mask_rejected", "This mask was rejected.")
    entry = hurry(deliverer)
    assert (entry.stage, entry.code) == ("failed", "mask_rejected")
    assert len(peers.got) == 1 and not list(tmp_path.rglob("results"))


def test_what_was_reviewed_while_its_peer_was_away_is_sent_as_it_is_now(tmp_path: Path) -> None:
    deliverer, api, peers = waiting_for_a_peer(tmp_path)
    api.said = "reviewed"
    assert hurry(deliverer).stage == "done"
    assert [body for _, _, body in peers.got] == [b"m seg False unreviewed", b"m seg False reviewed"]


def test_nothing_is_sent_from_before_while_the_api_can_not_say_whether_it_holds(tmp_path: Path) -> None:
    deliverer, api, peers = waiting_for_a_peer(tmp_path)
    api.refuses = Unavailable("api_unavailable", "The API can't be reached.")
    entry = hurry(deliverer)
    assert (entry.stage, states(entry)) == ("delivering", {("other", "seg"): "waiting"})
    assert entry.deliveries[0].code == "api_unavailable" and len(peers.got) == 1
    api.refuses = None
    assert hurry(deliverer).stage == "done" and api.made == ["seg"], "it is made once where nothing changed"


def test_what_a_peer_took_and_is_yet_to_vouch_for_is_asked_for_as_it_was_sent(tmp_path: Path) -> None:
    deliverer, api, peers = waiting_for_a_peer(tmp_path)
    (entry,) = deliverer.spool.entries()
    deliverer.spool.write(replace(entry, deliveries=(Delivery("other", "seg", transaction="2.25.1"),)))
    api.refuses = InvalidInput("mask_rejected", "This mask was rejected.")
    assert hurry(deliverer).stage == "done"
    assert {body for _, _, body in peers.got} == {b"m seg False unreviewed"}
