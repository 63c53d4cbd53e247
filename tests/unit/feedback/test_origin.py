"""What was vouched for of a mask, verdict by verdict."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from segloop.feedback import origin

WHOLE = {"whole": True, "labels": None}


def row(by: str, verdict: str = "accepted", reviewed: Any = None) -> Any:
    at = datetime(2026, 11, 30, tzinfo=UTC)
    return SimpleNamespace(
        created_by=by, created_by_role="reviewer", created_at=at, verdict=verdict, reviewed=reviewed
    )


@pytest.fixture(autouse=True)
def _nothing_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    label_set = SimpleNamespace(labels=[{"index": 3, "name": "a", "color": "#888888"}])
    monkeypatch.setattr(origin.volumes_table, "get", lambda *_: None)
    monkeypatch.setattr(origin, "ras_grid", lambda _: SimpleNamespace(shape=(9, 8, 7)))
    monkeypatch.setattr(origin.projects_table, "get_label_set", lambda *_, **__: label_set)


def vouched(kind: str, *verdicts: Any) -> list[str]:
    mask = row("maker")
    mask.kind, mask.volume_id, mask.label_set_id, mask.project_id = kind, "v", "l", "p"
    none: Any = None
    return [one["by"] for one in origin._reviews(none, mask, verdicts)]


def test_a_rejection_ends_what_was_vouched_for_until_somebody_does_anew() -> None:
    accepted, rejected = row("A", reviewed=WHOLE), row("B", "rejected")
    assert vouched("prediction", accepted, rejected, row("C", reviewed=WHOLE)) == ["", "A", "", "C"]
    assert vouched("prediction", accepted, rejected, row("C")) == ["", "A", ""]
    assert vouched("ground_truth", rejected, row("C")) == ["maker", ""]


def test_who_says_the_same_again_changes_nothing() -> None:
    again = row("C", reviewed=WHOLE)
    assert vouched("prediction", row("A", reviewed=WHOLE), again) == ["", "A"]
    assert vouched("prediction", row("B", "rejected"), again) == ["", "C"]
