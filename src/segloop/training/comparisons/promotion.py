"""Promote, reject and roll back, each with a reason, and never against the comparison."""

from typing import Any

from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import Conflict, InvalidInput
from segloop.jobs import table as jobs_table
from segloop.jobs.job import JobState
from segloop.jobs.table import lock_name
from segloop.model_versions import promote as production
from segloop.model_versions import table as model_versions_table
from segloop.training.approval import Approval, Role, approve
from segloop.training.comparisons import table
from segloop.training.gate import Outcome


def promote(
    conn: Connection,
    version_id: str,
    *,
    actor: str,
    reason: str,
    role: Role = "admin",
    automatic: bool = False,
) -> Row[Any]:
    """Put a version into production as far as its comparison allows, and return it; a repeat changes nothing.

    What counts is the newest comparison with the version in production now; a version without one counts as *not enough
    cases*, unless its comparison failed, for then it may be no good at all, or is under way, or another version beat it: then it
    is to be compared first. A retired version was in production before: a person may roll back to it with a reason and
    without a comparison, policy may not.

    Raises:
        Conflict: `gate_rejected`, `model_version_rejected`, `comparison_missing`, `comparison_failed`.
        Forbidden: `promotion_admin_only`, `promotion_not_automatic`.
        InvalidInput: `promotion_reason`.
    """
    version = model_versions_table.get(conn, version_id)
    lock_name(conn, f"promote/{version.project_id}")
    version = model_versions_table.get(conn, version_id)
    present = model_versions_table.find_production(conn, project_id=version.project_id)
    if present is not None and present.id == version.id:
        return version
    comparison = table.find_newest(
        conn, candidate_id=version.id, production_id=None if present is None else present.id
    )
    if version.stage == "retired" and role != "policy":
        comparison = None
        approval = approve("promote", by=actor, role=role, reason=reason)
    else:
        if comparison is None:
            _require_no_comparison_due(conn, version)
        outcome: Outcome = "not_enough_cases" if comparison is None else comparison.outcome
        approval = approve(outcome, by=actor, role=role, reason=reason, automatic=automatic)
    row = production.promote(conn, version.id, actor=actor, reason=approval.reason)
    if present is not None:
        why = f"v{version.number} took its place: {approval.reason}"
        _change(conn, present, "retired", approval=approval, reason=why)
    _change(
        conn,
        row,
        "production",
        approval=approval,
        comparison_id=None if comparison is None else comparison.id,
    )
    return row


def _require_no_comparison_due(conn: Connection, version: Row[Any]) -> None:
    """Check that a version that was never compared with the one in production was not found worse than another."""
    others = table.list_(conn, candidate_id=version.id)
    if others and others[0].outcome == "reject":
        raise Conflict(
            "comparison_missing",
            f"Version v{version.number} was found worse than the version in production before. Compare it with the "
            "present one first.",
        )
    last = jobs_table.find_last_evaluation(conn, model_version_id=version.id)
    if last is not None and last.state is JobState.FAILED:
        raise Conflict(
            "comparison_failed",
            f"The comparison of version v{version.number} failed ({last.error_code}: {last.error_message}) A version that "
            "can't be compared can't go live. Compare it again, or reject it.",
        )
    if last is not None and last.state in (JobState.QUEUED, JobState.RUNNING):
        raise Conflict(
            "comparison_missing",
            f"Version v{version.number} is being compared with the one in production. Wait for the result, or cancel that "
            "job first.",
        )


def reject(conn: Connection, version_id: str, *, actor: str, reason: str) -> Row[Any]:
    """Take a version out of the running for good, and return it; a repeat changes nothing.

    Raises:
        Conflict: `model_version_in_production`.
        InvalidInput: `rejection_reason`.
    """
    if not reason.strip():
        raise InvalidInput("rejection_reason", "Say why it is rejected: it is what others will read later.")
    version = model_versions_table.get(conn, version_id)
    lock_name(conn, f"promote/{version.project_id}")
    version = model_versions_table.get(conn, version_id)
    if version.stage == "rejected":
        return version
    if version.stage == "production":
        raise Conflict(
            "model_version_in_production",
            f"Version v{version.number} is in production. Promote another or roll back first.",
        )
    row = model_versions_table.set_stage(conn, version.id, stage="rejected")
    _change(conn, row, "rejected", approval=Approval(actor, reason.strip(), override=False))
    record(
        conn,
        actor=actor,
        action="model_version.rejected",
        object_type="model_version",
        object_id=row.id,
        project_id=row.project_id,
        reason=reason,
    )
    return row


def _change(
    conn: Connection,
    version: Row[Any],
    stage: str,
    *,
    approval: Approval,
    reason: str | None = None,
    comparison_id: str | None = None,
) -> None:
    table.insert_stage_change(
        conn,
        project_id=version.project_id,
        created_by=approval.by,
        model_version_id=version.id,
        stage=stage,
        reason=reason or approval.reason,
        comparison_id=comparison_id,
        is_override=approval.override and stage == "production",
    )
