"""A job that failed and is retried: its series is followed again, and its result is delivered."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segloop.errors import InvalidInput, Unavailable
from services.dicom_gateway import follow
from services.dicom_gateway.config import Config
from services.dicom_gateway.deliveries import GIVEN_UP, Delivery
from services.dicom_gateway.destinations import CStore
from services.dicom_gateway.entry import Entry
from services.dicom_gateway.follow import Follower
from services.dicom_gateway.spool import Spool

CONFIG = Config(destinations={"pacs": CStore(name="pacs", aet="PACS", host="h", port=104)})
FAILED = {"state": "failed", "error": {"code": "gpu_lost", "message": "The GPU is gone."}, "mask_id": None}


class FakeApi:
    """Has one job, and counts how often it is asked for."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] | Exception = FAILED
        self.n_asked = 0

    def job(self, job_id: str) -> dict[str, Any]:
        self.n_asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A spool with one series whose job runs."""
    spool = Spool(tmp_path)
    spool.store("A", "1.2", "1.2.3", b"one")
    stand(spool, stage="segmenting", volume_id="v", job_id="j", destinations=("pacs",), project="neck")
    return spool


def stand(spool: Spool, **values: Any) -> Entry:
    """Let the only series stand somewhere."""
    (entry,) = spool.entries()
    return spool.write(replace(entry, **values))


def run(spool: Spool, api: FakeApi) -> Entry:
    """Let a follower do what it can do, and return the series."""
    found = Follower(CONFIG, spool, api)  # type: ignore[arg-type]
    for _ in range(3):
        found.step()
    return spool.entries()[0]


def test_a_job_that_is_retried_and_succeeds_is_delivered(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "LOOK_AGAIN_S", 0.0)
    api = FakeApi()
    failed = run(spool, api)
    assert (failed.stage, failed.code) == ("failed", "gpu_lost")
    api.answer = {"state": "running"}
    now = run(spool, api)
    assert (now.stage, now.code, now.message) == ("segmenting", "", "")
    api.answer = {"state": "succeeded", "mask_id": "m"}
    now = run(spool, api)
    assert (now.stage, now.mask_id, now.deliveries) == ("delivering", "m", (Delivery("pacs", "seg"),))


@pytest.mark.parametrize(
    "answer",
    [
        FAILED,
        {"state": "cancelled", "error": None},
        Unavailable("api_unavailable", "x"),
        InvalidInput("gone", "x"),
    ],
)
def test_a_failed_series_is_looked_after_now_and_then_and_says_why_it_failed(
    spool: Spool, answer: dict[str, Any] | Exception
) -> None:
    before = stand(spool, stage="failed", code="gpu_lost", message="The GPU is gone.")
    api = FakeApi()
    api.answer = answer
    assert run(spool, api) == before
    assert api.n_asked == 1, "not at every step"


def test_a_series_that_failed_for_another_reason_is_left_alone(spool: Spool) -> None:
    api = FakeApi()
    others: list[dict[str, str]] = [
        {"volume_id": ""},
        {"volume_id": "v", "mask_id": "m"},
        {"mask_id": "", "message": GIVEN_UP},  # or it would be tried, and kept, for ever
        {"message": "", "job_id": ""},
    ]
    for values in others:
        stand(spool, stage="failed", **values)
        run(spool, api)
    assert api.n_asked == 0
