"""An admin with a reason may override too few cases; nobody overrides a rejection, and policy overrides nothing."""

import pytest

from segloop.errors import Conflict, Forbidden, InvalidInput, SegloopError
from segloop.training.approval import approve
from segloop.training.gate import Outcome

REASON = "seen by two physicists on 12 patients"


def test_an_admin_promotes_what_passed_and_it_is_no_override() -> None:
    assert not approve("promote", by="ada", role="admin", reason="round 2").override


def test_an_admin_overrides_too_few_cases_with_a_typed_reason_that_is_kept() -> None:
    approval = approve("not_enough_cases", by="ada", role="admin", reason=f"  {REASON} ")
    assert approval.override and approval.reason == REASON and approval.by == "ada"


@pytest.mark.parametrize("reason", ["", "   ", "ok", "fine    "])
def test_an_override_without_a_real_reason_is_refused(reason: str) -> None:
    with pytest.raises(InvalidInput):
        approve("not_enough_cases", by="ada", role="admin", reason=reason)


@pytest.mark.parametrize("role", ["admin", "member", "policy"])
def test_nobody_promotes_a_rejected_version(role: str) -> None:
    with pytest.raises(Conflict):
        approve("reject", by="ada", role=role, reason=REASON, automatic=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "automatic", "allowed"),
    [("promote", True, True), ("promote", False, False), ("not_enough_cases", True, False)],
)
def test_policy_promotes_only_what_passed_and_only_where_it_is_switched_on(
    outcome: Outcome, automatic: bool, allowed: bool
) -> None:
    try:
        approval = approve(outcome, by="policy", role="policy", reason="", automatic=automatic)
    except SegloopError as refused:
        assert not allowed and isinstance(refused, Forbidden)
    else:
        assert allowed and not approval.override and approval.reason


@pytest.mark.parametrize(("by", "role"), [("mia", "member"), ("", "admin")])
def test_only_a_named_admin_promotes(by: str, role: str) -> None:
    with pytest.raises(Forbidden):
        approve("promote", by=by, role=role, reason=REASON)  # type: ignore[arg-type]
