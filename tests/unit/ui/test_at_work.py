"""Who else is at work on a CT is named, and nobody goes on with another person's edit."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from ui.views import at_work

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def draft(
    by: str, *, minutes: float = 5, sequence: int = 3, state: str = "open", base: str | None = "m"
) -> Any:
    return SimpleNamespace(
        created_by=by,
        state=state,
        base_mask_id=base,
        updated_at=NOW - timedelta(minutes=minutes),
        head=SimpleNamespace(sequence=sequence),
    )


def test_others_are_named_once_the_latest_first() -> None:
    drafts = [
        draft("bo", minutes=60),
        draft("pia"),
        draft("cy", minutes=9),
        draft("bo", minutes=4, base=None),
    ]
    found = at_work.others(drafts, "pia", NOW)
    assert list(found.items()) == [
        ("bo", NOW - timedelta(minutes=4)),
        ("cy", NOW - timedelta(minutes=9)),
    ]


@pytest.mark.parametrize(
    ("changes", "is_named"),
    [
        ({"state": "finalized"}, False),
        ({"state": "discarded"}, False),
        ({"sequence": 0}, True),  # has just begun
        ({"sequence": 0, "minutes": 60 * 25}, False),  # looked in and drew nothing
        ({"sequence": 1, "minutes": 60 * 24 * 40}, True),  # what is drawn waits for its end
    ],
)
def test_who_counts_as_at_work(changes: dict[str, Any], is_named: bool) -> None:
    assert bool(at_work.others([draft("bo", **changes)], "pia", NOW)) == is_named


@pytest.mark.parametrize(
    ("drafts", "base", "has"),
    [
        ([draft("pia")], "m", True),
        ([draft("bo")], "m", False),
        ([draft("bo"), draft("pia")], "m", True),
        ([draft("pia", base="other")], "m", False),
        ([draft("pia", base=None)], "m", False),
        ([draft("pia", state="discarded")], "m", False),
        ([draft("bo", base=None)], None, False),
        ([draft("pia", base=None)], None, True),
    ],
)
def test_one_goes_on_with_ones_own_edit_only(drafts: list[Any], base: str | None, has: bool) -> None:
    assert at_work.has_own(drafts, "pia", base) is has
