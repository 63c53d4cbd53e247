"""How events of the audit record read."""

from datetime import UTC, datetime
from typing import Any

import pytest

from segloop.schemas import AuditEvent
from ui.views import audit_text


def event(**values: Any) -> AuditEvent:
    given = {"action": "member.saved", "object_type": "person", "object_id": "x", "detail": {}, **values}
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    return AuditEvent.model_validate({"id": 1, "at": at, "project_id": None, "actor": "ann", **given})


def test_times_have_seconds_and_names_stand_for_ids() -> None:
    assert audit_text.when(event()) == "2026-03-04 05:06:07"
    assert audit_text.about(event(object_name="ben"), {}) == "person ben"
    assert audit_text.about(event(object_type="project", object_id="p"), {"p": "south"}) == "project south"
    assert audit_text.about(event(object_type="api_key"), {}) == "api key"


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ({}, ""),
        ({"role": "viewer", "permissions": ["export", "identity"]}, "role viewer; permissions export, identity"),
        ({"permissions": [], "note": None, "is_on": False}, "is on no"),
        ({"sha256": "a" * 64, "dice": 0.98765, "n": 3}, "sha256 aaaaaaaaaaaa...; dice 0.988; n 3"),
        ({"by": {"a": 1, "b": [True]}}, "by a 1, b yes"),
    ],
)  # fmt: skip
def test_details_are_short_text(detail: dict[str, Any], said: str) -> None:
    assert audit_text.details(event(detail=detail)) == said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"object_type": "route", "object_id": "GET /me", "detail": {"code": "unauthorized", "address": "::1"}},
            "not signed in; GET /me; from ::1"),
        ({"object_type": "volume", "detail": {"code": "volume_unknown", "route": "GET /volumes/{volume_id}", "n_untold": 3}},
            "not theirs, so it was called absent; GET /volumes/{volume_id}; 3 refusals before it were too many a minute to be told"),
        ({"object_type": "mask", "detail": {"code": "role_missing", "is_last_told": True}},
            "not in the role for it; what came next in this minute is only counted"),
        ({"object_type": "refusal", "object_id": None, "detail": {"n_untold": 5}}, "5 refusals were too many a minute to be told"),
    ],
)  # fmt: skip
def test_a_refusal_says_why_and_what_was_not_told(values: dict[str, Any], said: str) -> None:
    assert audit_text.details(event(action="access.refused", **values)) == said
