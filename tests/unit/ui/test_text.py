"""How times and jobs read."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ui.views.text import age, duration, moment


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
