"""Who may promote on which verdict: people and policy, and what a person must say to override."""

from dataclasses import dataclass
from typing import Literal

from segloop.errors import Conflict, Forbidden, InvalidInput
from segloop.training.gate import Outcome

Role = Literal["admin", "member", "policy"]
MINIMUM_REASON = 10  # characters; "ok" is no reason


@dataclass(frozen=True)
class Approval:
    """A permission to promote as it is recorded: by whom, why, and whether it overrides *not enough cases*."""

    by: str
    reason: str
    override: bool


def approve(outcome: Outcome, *, by: str, role: Role, reason: str, automatic: bool = False) -> Approval:
    """Return the approval to record, or refuse; a pure function.

    | verdict | named admin | policy |
    |---|---|---|
    | promote | with a reason | only if automatic promotion is on |
    | not enough cases | with a reason of at least 10 characters, recorded as an override | never |
    | reject | never | never |

    Raises:
        Conflict: `gate_rejected`.
        Forbidden: `promotion_admin_only` for anyone but a named admin; `promotion_not_automatic` for policy.
        InvalidInput: `promotion_reason` when it is missing or too short for an override.
    """
    if outcome == "reject":
        raise Conflict(
            "gate_rejected", "The comparison rejected this version; nobody may promote it. Train again."
        )
    if role == "policy":
        if outcome != "promote" or not automatic:
            raise Forbidden(
                "promotion_not_automatic",
                "This version is not promoted automatically; an admin of the project decides.",
            )
        return Approval(
            by, reason.strip() or "automatic: every check of the comparison passed", override=False
        )
    if role != "admin" or not by.strip():
        raise Forbidden("promotion_admin_only", "Only a named admin of the project may promote a version.")
    override = outcome == "not_enough_cases"
    words = reason.strip()
    if len(words) < (MINIMUM_REASON if override else 1):
        raise InvalidInput(
            "promotion_reason",
            f"Say in at least {MINIMUM_REASON} characters why it may go live without enough test cases."
            if override
            else "Say why it goes live.",
        )
    return Approval(by, words, override)
