"""How times and jobs read, and how tables are saved."""

import csv
import io
from datetime import UTC, datetime, timedelta, timezone

import pytest

from segloop.errors import Conflict
from segloop.schemas import JobOut
from ui.views.text import age, as_csv, duration, explain, moment, plain, stage_times, waiting_hint


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (42, "42 s"), (100, "2 min"), (3600, "60 min"), (7500, "2 h 05 min")]
)
def test_durations_read_naturally(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_ages_never_lie_in_the_future() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert age(now - timedelta(seconds=30), now) == "30 s ago"
    assert age(now + timedelta(seconds=30), now) == "0 s ago"


def test_moments_are_shown_in_utc() -> None:
    local = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert moment(local) == "2025-12-31 23:30 UTC"


def _job(**values: object) -> JobOut:
    fields = dict.fromkeys(JobOut.model_fields) | {"state": "queued", "timings": {}, **values}
    return JobOut.model_construct(**fields)


def test_a_job_that_nobody_takes_says_whom_to_ask_but_not_at_once() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert waiting_hint(_job(created_at=now - timedelta(seconds=5)), now) == ""
    assert "ask operations" in waiting_hint(_job(created_at=now - timedelta(seconds=60)), now)
    assert waiting_hint(_job(state="running", created_at=now - timedelta(seconds=60)), now) == ""


def test_errors_show_their_code_and_what_to_do() -> None:
    text = explain(Conflict("no_model", "This project has no model version in production."))
    assert text.startswith("This project has no model version")
    assert "./segloop models import" in text and "`no_model`" in text


def test_names_that_people_type_are_never_markup() -> None:
    assert plain("*bold* [x](http://y) $a$") == r"\*bold\* \[x\]\(http\://y\) \$a\$"


def test_stage_times_leave_out_what_took_no_time() -> None:
    timings = {"predicting": 12.4, "claimed": 0.001, "fetching": 0.42}
    assert stage_times(_job(timings=timings)) == "fetching 0.4 s, predicting 12 s"


def test_csv_keeps_columns_apart_and_runs_no_formula() -> None:
    rows = [
        {"Label": "bone, left", "Dice": 0.5},
        {"Label": "=1+1", "Dice": None},
        {"Label": 'a "b"', "Dice": -1.5},
    ]
    table = list(csv.reader(io.StringIO(as_csv(rows, ["Label", "Dice"]))))
    assert table == [["Label", "Dice"], ["bone, left", "0.5"], ["'=1+1", ""], ['a "b"', "-1.5"]]
