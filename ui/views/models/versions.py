"""The versions: where each comes from, how it compares, and what is decided about it."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from segloop.accounts.roles import Role
from segloop.errors import SegloopError
from segloop.schemas import Comparison, JobOut, ModelVersion, VersionLineage
from ui.api_client import ApiClient
from ui.views.here import Here
from ui.views.models import charts
from ui.views.models.run import case_rows
from ui.views.text import explain, moment, plain

WORDS = {
    "promote": ("No worse in any label, and better on corrected cases", "success"),
    "reject": ("Worse than the version in production", "error"),
    "not_enough_cases": ("Not enough cases to tell", "warning"),
}
STANDINGS = {"passed": "✓ passed", "failed": "✗ failed", "unclear": "? unclear"}
CHECKS = {
    "comparison": "comparison",
    "non_inferior": "not worse",
    "no_catastrophe": "no collapse",
    "better_on_corrected": "better where people corrected",
    "calibration": "calibration",
    "runtime": "time for a case",
}


def show(api: ApiClient, here: Here, known: Sequence[ModelVersion]) -> None:
    """Show the versions, and the chosen one in full."""
    if not known:
        st.info("There is no version yet.")
        return
    by_id = {version.id: version for version in known}
    chosen = st.selectbox(
        "Version",
        list(by_id),
        format_func=lambda one: _title(by_id[one], by_id),
        key="version_chosen",
        label_visibility="collapsed",
    )
    version = by_id[chosen]
    found = api.lineage(version.id)
    comparison = next((item for item in found.comparisons if item.is_current), None)
    if version.stage != "production":
        last = _last_comparing(api, version)
        if last is not None and last.state in ("queued", "running") and comparison is None:
            _wait(api, here, version)
        else:
            has_failed = comparison is None and last is not None and last.state == "failed"
            _compared(api, version, found, comparison, known, last if has_failed else None)
            if here.may(Role.ADMIN):
                _offer_comparison(api, version, has_one=bool(found.comparisons))
                _decide(api, version, comparison, has_failed=has_failed)
    elif found.comparisons:
        with st.expander("The comparison before it went live"):
            _verdict(found.comparisons[0], by_id)
    card, cases, history, chart = st.tabs(
        ["Model card", "What it learned from", "Decisions", "All versions in figures"]
    )
    card.markdown(smaller(found.card))
    with cases:
        if found.cases:
            st.dataframe(case_rows(found.cases), hide_index=True)
        else:
            st.caption("It was imported: what it learned from is not on record here.")
    with history:
        _history(found)
    with chart:
        charts.across_versions(api.figures(here.project.slug))


def smaller(card: str) -> str:
    """Return a card whose headings suit a part of a page."""
    return "\n".join(f"##{line}" if line.startswith("#") else line for line in card.splitlines())


def _title(version: ModelVersion, by_id: dict[str, ModelVersion]) -> str:
    parent = by_id.get(version.parent_id or "")
    origin = f" · from v{parent.number}" if parent else ""
    return f"v{version.number} · {version.stage} · {version.name} · {moment(version.created_at)}{origin}"


def _compared(
    api: ApiClient,
    version: ModelVersion,
    found: VersionLineage,
    comparison: Comparison | None,
    known: Sequence[ModelVersion],
    failed: JobOut | None,
) -> None:
    """Show the comparison, or why there is none."""
    if comparison is not None:
        _verdict(comparison, {one.id: one for one in known})
    elif failed is not None:
        code, message = (failed.error.code, failed.error.message) if failed.error else ("", "")
        st.error(f"Its comparison failed, so nobody knows what it is worth. {plain(message)} (`{code}`)")
    else:
        live = any(one.stage == "production" for one in known)
        st.info(
            "It was not compared with the version that is in production now."
            if live
            else "There is no version in production to compare it with."
        )


def _offer_comparison(api: ApiClient, version: ModelVersion, *, has_one: bool) -> None:
    if version.stage in ("candidate", "retired") and st.button("Compare again" if has_one else "Compare"):
        api.compare_version(version.project_id, version.id)
        st.rerun()


def _last_comparing(
    api: ApiClient, version: ModelVersion, states: Sequence[str] = ("queued", "running", "failed")
) -> JobOut | None:
    """Return the newest comparison of a version in some states: that is open or failed, if none are named."""
    jobs = [job for state in states for job in api.jobs(state, project=version.project_id)]
    own = [job for job in jobs if job.kind == "evaluate" and job.model_version_id == version.id]
    return max(own, key=lambda job: job.created_at, default=None)


@st.fragment(run_every=2.0)
def _wait(api: ApiClient, here: Here, version: ModelVersion) -> None:
    job = _last_comparing(api, version, ("queued", "running"))
    if job is None:
        st.rerun(scope="app")
        return
    st.progress(job.progress, text=f"Comparing: {job.stage}")
    if here.may(Role.ADMIN) and st.button("Cancel", key=f"cancel-{job.id}"):
        api.cancel(job.id)


def _verdict(comparison: Comparison, by_id: dict[str, ModelVersion]) -> None:
    decision = comparison.decision
    other = by_id.get(comparison.production_id or "")
    _, color = WORDS[comparison.outcome]
    beside = f" beside v{other.number}" if other else ""
    text = f"**{decision['summary']}** ({moment(comparison.created_at)}{beside})"
    reasons = "\n".join(f"- {plain(reason)}" for reason in decision["reasons"][:6])
    more = len(decision["reasons"]) - 6
    rest = f"\n- and {more} more below" if more > 0 else ""
    getattr(st, color)(f"{text}\n\n{reasons}{rest}")
    charts.differences(decision["findings"])
    with st.expander("Every check"):
        st.dataframe([_finding(item) for item in decision["findings"]], hide_index=True)


def _finding(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "Check": CHECKS.get(item["check"], item["check"]),
        "Label": item["label"] or "",
        "Metric": charts.TITLES.get(item["metric"] or "", ""),
        "Result": STANDINGS[item["standing"]],
        "Patients": item["n_patients"] or None,
        "needed": item["n_needed"],
        "Difference": _rounded(item["mean_difference"]),
        "Lower bound": _rounded(item["lower_bound"]),
        "Margin": _rounded(item["margin"]),
        "In words": item["reason"],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or abs(value) == float("inf") else round(value, 4)


def _decide(
    api: ApiClient, version: ModelVersion, comparison: Comparison | None, *, has_failed: bool
) -> None:
    """Offer what may be done: promote, override, roll back, reject; always with a reason."""
    if version.stage == "rejected":
        st.caption("This version was rejected and stays out.")
        return
    outcome = "not_enough_cases" if comparison is None else comparison.outcome
    is_rollback = version.stage == "retired"
    with st.container(border=True):
        if outcome == "reject" and not is_rollback:
            st.markdown(
                "It can't be promoted: the comparison rejected it. Train again, or compare again with more cases."
            )
        elif has_failed and not is_rollback:
            st.markdown("It can't be promoted without a comparison. Compare it, train again, or reject it.")
        else:
            _promote(api, version, is_rollback=is_rollback, is_override=outcome == "not_enough_cases")
        if version.stage in ("candidate", "retired"):
            _reject(api, version)


def _promote(api: ApiClient, version: ModelVersion, *, is_rollback: bool, is_override: bool) -> None:
    if is_rollback:
        verb, hint = f"Roll back to v{version.number}", "It was in production before. The next job uses it."
    elif is_override:
        verb = f"Promote v{version.number} without enough cases"
        hint = "An override: your name and reason are recorded. Say in at least 10 characters what convinced you."
    else:
        verb, hint = f"Promote v{version.number}", "The next job uses it; running jobs keep theirs."
    with st.form(f"promote-{version.id}", border=False):
        st.caption(hint)
        reason = st.text_input("Reason (recorded with your name)", max_chars=500, key=f"why-{version.id}")
        if st.form_submit_button(verb, type="primary"):
            if not reason.strip():
                st.error("Say why: it is what others will read later.")
                return
            try:
                api.promote(version.id, reason.strip())
            except SegloopError as error:
                st.error(explain(error))
                return
            st.toast(f"v{version.number} is in production from the next job on.")
            st.rerun()


def _reject(api: ApiClient, version: ModelVersion) -> None:
    with st.expander(f"Reject v{version.number} for good"), st.form(f"reject-{version.id}", border=False):
        reason = st.text_input("Why it stays out (recorded with your name)", max_chars=500)
        if st.form_submit_button("Reject"):
            if not reason.strip():
                st.error("Say why: it is what others will read later.")
                return
            try:
                api.reject(version.id, reason.strip())
            except SegloopError as error:
                st.error(explain(error))
                return
            st.rerun()


def _history(found: VersionLineage) -> None:
    if not found.history:
        st.caption("Nothing was decided about it yet.")
    for change in found.history:
        extra = " **although cases were too few**" if change.is_override else ""
        st.markdown(
            f"{moment(change.created_at)}: {change.stage}{extra}, by {plain(change.created_by)}: {plain(change.reason)}"
        )
