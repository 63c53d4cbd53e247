"""What the follower does about series that change, or go on failing, while it works on them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from segloop.errors import Conflict, Unavailable
from services.dicom_gateway.api import Api
from services.dicom_gateway.config import Config
from services.dicom_gateway.deliveries import MOST_UNEXPECTED, Delivery
from services.dicom_gateway.destinations import CStore
from services.dicom_gateway.entry import Entry
from services.dicom_gateway.follow import Follower
from services.dicom_gateway.order_kinds import redeliver, route
from services.dicom_gateway.rules import Rule
from services.dicom_gateway.spool import Spool
from tests.dicom_series import slices, voxels


class FakeApi:
    """Takes every series; `meanwhile` happens while it does."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.meanwhile = meanwhile
        self.uploaded: list[list[str]] = []

    def upload(self, files: Sequence[Path], *, project: str) -> tuple[str, bool]:
        self.uploaded.append([file.read_text("latin-1") for file in files])
        self.meanwhile()
        return f"volume {len(self.uploaded)}", True

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


@pytest.mark.parametrize(
    "error", [RuntimeError("Doe^Jane"), Unavailable("internal", "The API gave an error.")]
)
def test_what_never_goes_right_fails_in_the_end_and_is_forgotten_in_time(
    spool: Spool, error: Exception
) -> None:
    def fail() -> None:
        raise error

    for n_tries in range(1, MOST_UNEXPECTED + 1):
        assert spool.entries()[0].stage == "closed"
        follower(spool, FakeApi(fail)).step()
        entry = stand(spool, next_try=0.0)
        assert entry.tries == n_tries or entry.stage == "failed"
    assert (entry.stage, entry.code) == ("failed", "internal") and "log" in entry.message
    stand(spool, touched=0.0)
    follower(spool, FakeApi(fail), keep_s=60.0).step()
    assert spool.entries() == []


def test_an_api_that_is_away_is_waited_for_without_end_and_then_the_unexpected_counts_from_one(
    spool: Spool,
) -> None:
    def away() -> None:
        raise Unavailable("api_unavailable", "It is away.")

    def odd() -> None:
        raise RuntimeError

    for _ in range(MOST_UNEXPECTED + 5):
        follower(spool, FakeApi(away)).step()
        stand(spool, next_try=0.0)
    follower(spool, FakeApi(odd)).step()
    (entry,) = spool.entries()
    assert (entry.stage, entry.code, entry.tries) == ("closed", "internal", 1)


def test_while_a_result_waits_for_its_destination_the_images_go_in_time_and_the_rest_stays(
    spool: Spool,
) -> None:
    waiting = (Delivery("pacs", "seg", "waiting", next_try=9e9),)
    for stage in ("uploaded", "segmenting", "delivering"):
        entry = stand(spool, stage=stage, volume_id="v", mask_id="m", deliveries=waiting, touched=0.0)
        spool.sweep(keep_s=60)
        n_files = 0 if stage == "delivering" else 1
        assert len(list(spool.files(entry).iterdir())) == n_files, stage
    (now,) = spool.entries()
    assert now == replace(entry, n_instances=1)
    spool.sweep(keep_s=60)
    assert spool.entries() == [now]
    config = Config(destinations={"pacs": CStore(name="pacs", aet="PACS", host="h", port=104)})
    redeliver(config, spool, {"series": now.key, "destination": "pacs"})
    assert spool.entries()[0].deliveries == (Delivery("pacs", "seg"),)
    spool.store("A", "1.2", "1.2.4", b"two")  # nobody can say any more that all of it is in the new one
    assert sorted(entry.stage for entry in spool.entries()) == ["delivering", "receiving"]


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [(502, "<html>", "api_unavailable"), (500, '{"code": "internal"}', "internal"), (500, "", "internal")],
)
def test_a_proxy_that_says_the_api_is_away_is_nothing_unexpected(status: int, body: str, code: str) -> None:
    api = Api("http://api", "token")
    api._http = httpx.Client(
        base_url="http://api", transport=httpx.MockTransport(lambda _: httpx.Response(status, text=body))
    )
    with pytest.raises(Unavailable) as later:
        api.job("j")
    assert later.value.code == code


def test_an_urgent_series_is_stored_before_those_that_were_here_before(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number, body in enumerate([b"first", b"second", b"urgent"]):
        spool.store("A", f"1.{number}", "1.2.3", body)
    for number, entry in enumerate(sorted(spool.entries(), key=lambda entry: entry.received)):
        priority = "stat" if number == 2 else "routine"
        spool.write(replace(entry, stage="closed", project="neck", priority=priority, touched=100.0 + number))
    api = FakeApi()

    def come() -> None:
        """While the first is stored another urgent one comes, by C-STORE: its rule says so."""
        api.meanwhile = lambda: None
        header = slices(voxels((4, 4, 3)))[0]
        file = BytesIO()
        header.save_as(file, enforce_file_format=True)
        spool.store("A", "1.9", "1.2.3", file.getvalue())
        entry = next(entry for entry in spool.entries() if entry.stage == "receiving")
        spool.write(replace(entry, stage="closed"))

    late = follower(spool, api, rules=(Rule("er", {}, project="neck", priority="stat"),))
    api.meanwhile = come
    while late.step():
        pass
    assert [files[0][:6] for files in api.uploaded] == ["urgent", "\0" * 6, "first", "second"]


def test_of_a_series_whose_images_came_twice_with_other_content_nothing_is_made_until_all_is_sent_again(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path)
    spool.store("A", "1.2", "1.2.1", b"older")
    spool.store("A", "1.2", "1.2.2", b"two")
    with pytest.raises(Conflict) as refused:
        spool.store("A", "1.2", "1.2.1", b"one")
    assert refused.value.code == "instance_differs"
    mixture = stand(spool, stage="closed", project="neck")
    api = FakeApi()
    works = follower(spool, api)
    works.step()
    failed = spool.get(mixture.key)
    assert failed is not None and (failed.stage, failed.code) == ("failed", "instance_differs")
    assert failed.message.startswith("1 of its images") and not api.uploaded
    for instance, body in (("1.2.2", b"two"), ("1.2.1", b"one")):
        assert spool.store("A", "1.2", instance, body)
    (whole,) = (entry for entry in spool.entries() if entry.stage == "receiving")
    with pytest.raises(Conflict) as gone:  # nobody can have the mixture segmented beside it
        route(Config(), spool, {"series": mixture.key, "project": "neck", "destinations": []})
    assert gone.value.code == "series_grew"
    spool.write(replace(whole, stage="closed", project="neck"))
    works.step()
    assert [sorted(files) for files in api.uploaded] == [["one", "two"]]


def test_a_person_can_say_that_the_images_that_came_first_are_right(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.store("A", "1.2", "1.2.3", b"one")
    with pytest.raises(Conflict):
        spool.store("A", "1.2", "1.2.3", b"other")
    entry = stand(spool, stage="failed", code="instance_differs", project="neck")
    route(Config(), spool, {"series": entry.key, "project": "neck", "destinations": []})
    api = FakeApi()
    follower(spool, api).step()
    assert api.uploaded == [["one"]]
    (entry,) = spool.entries()
    assert (entry.stage, entry.code) == ("uploaded", "")
