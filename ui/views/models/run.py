"""Start a retraining, watch it, and look back at earlier ones."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import streamlit as st

from segloop.accounts.roles import Role
from segloop.errors import SegloopError
from segloop.schemas import LearningState, ModelVersion, Policy, TrainingRun, TrainingRunSummary
from segloop.training.protocol import Protocol
from ui.api_client import ApiClient
from ui.views.here import Here
from ui.views.models import charts
from ui.views.text import duration, explain, moment, plain

ACTIVE = ("queued", "running")
KINDS = {"quick_tune": "Quick tune", "full_retrain": "Full retrain"}
ABOUT = {
    "quick_tune": "Starts from the version in production and learns the new corrections beside earlier cases. Minutes on a GPU.",
    "full_retrain": "Plans and trains afresh from every case: for new labels, or once there are many more cases. Takes long.",
}


def show(
    api: ApiClient, here: Here, state: LearningState, rules: Policy, known: Sequence[ModelVersion]
) -> None:
    """Show the form, the newest run as it goes, and the earlier ones."""
    runs = api.training_runs(here.project.slug)
    may_train = here.may(Role.ADMIN)
    is_active = bool(runs) and runs[0].state in ACTIVE
    if not is_active and may_train:
        _form(api, here, state, rules, known)
    if runs:
        if is_active:
            _live(api, runs[0].id, may_cancel=may_train)
        else:
            _last(api, runs[0].id, known, may_retry=may_train)
    elif not may_train:
        st.info("Nothing was trained here yet. Admins of the project start a training.")
    if len(runs) > 1 or (runs and not is_active):
        st.markdown("**All runs**")
        st.dataframe([_row(run, known) for run in runs], hide_index=True)


def why_not(kind: str, state: LearningState, rules: Policy, *, has_production: bool) -> str | None:
    """Return in words why a retraining would be refused now, or None."""
    if state.active_run_id is not None:
        return "A run is under way; wait for it, or cancel it."
    if kind == "quick_tune" and not has_production:
        return "There is no version in production to start from; the first one takes a full retrain."
    if state.n_usable == 0:
        return "There is nothing to learn from yet: give feedback on masks, or upload ground truth."
    if has_production and state.n_new < rules.minimum_corrections:
        return (
            f"{state.n_new} of {rules.minimum_corrections} new corrections are there. Give feedback on more cases, or "
            "lower the minimum on the tab Policy."
        )
    return None


def _form(
    api: ApiClient, here: Here, state: LearningState, rules: Policy, known: Sequence[ModelVersion]
) -> None:
    has_production = any(version.stage == "production" for version in known)
    with st.container(border=True):
        kind = st.radio(
            "Retraining",
            list(KINDS),
            index=0 if has_production else 1,
            format_func=lambda name: KINDS[name],
            horizontal=True,
            label_visibility="collapsed",
            key="training_kind",
        )
        st.caption(ABOUT[kind])
        with st.expander("Recipe (left empty: what suits the trainer's device)"):
            recipe = _recipe()
        reason = why_not(kind, state, rules, has_production=has_production)
        key = st.session_state.setdefault("training_key", uuid4().hex)
        if st.button("Trigger retraining", type="primary", disabled=reason is not None):
            api.train(here.project.slug, kind, recipe, idempotency_key=key)
            st.session_state["training_key"] = uuid4().hex
            st.rerun()
        if reason:
            st.caption(reason)
        elif 2 * state.n_validating > state.n_usable:
            st.warning(
                f"{state.n_validating} of {state.n_usable} cases are of patients that validate, so little is left to learn "
                "from (see the tab Cases). Add cases of other patients, or lower the share that validates on the tab Policy."
            )
        elif has_production and state.n_frozen_cases < (needed := _test_patients_needed(rules)):
            st.caption(
                f"{state.n_frozen_cases} of {needed} test cases that a comparison needs are there: a candidate "
                "will be *not enough cases*. Keep more patients for tests on the tab Cases, before they train."
            )


def _test_patients_needed(rules: Policy) -> int:
    """Return how many test patients the gate asks for under the policy."""
    return int(rules.gate.get("minimum_patients", Protocol(("any",)).minimum_patients))


def _recipe() -> dict[str, Any]:
    left, middle, right = st.columns(3)
    fields = {
        "n_epochs": left.number_input("Epochs", 1, 10_000, None, key="recipe_epochs"),
        "iterations_per_epoch": middle.number_input(
            "Iterations per epoch", 1, 10_000, None, key="recipe_iterations"
        ),
        "learning_rate": right.number_input(
            "Learning rate", 1e-6, 1.0, None, format="%.6f", key="recipe_rate"
        ),
        "replay_share": left.number_input(
            "Share of earlier cases", 0.0, 0.95, None, key="recipe_replay", help="Usually one half."
        ),
        "seed": middle.number_input("Seed", 0, 2**31, None, key="recipe_seed"),
    }
    return {name: value for name, value in fields.items() if value is not None}


@st.fragment(run_every=2.0)
def _live(api: ApiClient, run_id: str, *, may_cancel: bool) -> None:
    try:
        run = api.training_run(run_id)
        job = api.job(run.job_id)
    except SegloopError as error:
        st.error(explain(error))
        return
    if run.state not in ACTIVE:
        st.rerun(scope="app")
    with st.container(border=True):
        by = "itself, as the policy says" if run.trigger == "automatic" else plain(run.created_by)
        st.markdown(f"**{KINDS[run.kind]}**, started by {by}, {moment(run.created_at)}")
        st.progress(run.progress, text=where(run, job.queue_position))
        if may_cancel:
            _cancel(api, run)
        charts.curves(run.epochs)
        _details(run)


def where(run: TrainingRunSummary, queue_position: int | None = None) -> str:
    """Return where a run stands, in one line."""
    if run.cancel_requested_at is not None and run.state == "running":
        return "Stopping"
    if run.state == "queued":
        again = " again: its worker was lost, and it goes on from its last checkpoint" if run.attempt else ""
        place = f", number {queue_position} in the queue" if queue_position else ""
        return f"Waiting{place}{again}"
    text = f"{run.stage.capitalize()} · {run.progress:.0%}"
    left_s = getattr(run, "remaining_s", None)
    return text if left_s is None else f"{text} · about {duration(left_s)} of training left"


def _cancel(api: ApiClient, run: TrainingRun) -> None:
    asked = f"cancel-{run.id}"
    with st.container(horizontal=True, vertical_alignment="center"):
        if not st.session_state.get(asked):
            if st.button("Cancel", key=f"ask-{run.id}", disabled=run.cancel_requested_at is not None):
                st.session_state[asked] = True
                st.rerun(scope="fragment")
            return
        st.markdown("Stop this run? What it has learned is lost; its cases stay for the next.")
        if st.button("Yes, stop it", key=f"yes-{run.id}"):
            st.session_state.pop(asked)
            api.cancel(run.job_id)
            st.rerun(scope="fragment")
        if st.button("No, go on", key=f"no-{run.id}"):
            st.session_state.pop(asked)
            st.rerun(scope="fragment")


def _last(api: ApiClient, run_id: str, known: Sequence[ModelVersion], *, may_retry: bool) -> None:
    run = api.training_run(run_id)
    result = _result(run, known)
    with st.container(border=True):
        st.markdown(f"**Last run:** {KINDS[run.kind].lower()}, {moment(run.created_at)} - {result}")
        if run.state == "failed":
            st.error(f"{run.error_message}  \n:small[code `{run.error_code}`]")
            if not may_retry:
                st.caption("Admins of the project can try again or start another.")
            elif run.error_code == "checkpoint_broken":  # it would be read again, and be as broken
                st.caption("Its checkpoint is damaged, so it can't go on: trigger a new run above.")
            else:
                st.caption(
                    "Trying again keeps this run's recipe and cases; to change them, trigger a new one above."
                )
                if st.button("Try again, from its last checkpoint" if run.checkpoint_at else "Try again"):
                    api.retry(run.job_id)
                    st.rerun()
        if run.state == "succeeded" and any(version.id == run.version_id for version in known):
            st.button(f"See how {result} compares", on_click=_open_version, args=(run.version_id,))
        charts.curves(run.epochs)
        _details(run)


def _open_version(version_id: str) -> None:
    """Open the tab Versions at one version; else it shows the one that was looked at before."""
    st.session_state["version_chosen"] = version_id
    st.session_state["models_tab"] = "Versions"


def _details(run: TrainingRun) -> None:
    log, cases, recipe = st.tabs(["Log", "Cases of this run", "Recipe"])
    with log:
        st.code("\n".join(run.log.splitlines()[-200:]) or "Nothing yet.", language=None, height=180)
    with cases:
        st.dataframe(case_rows(run.cases), hide_index=True, height=210)
    with recipe:
        st.caption(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in run.recipe.items()))


def case_rows(cases: Sequence[Any]) -> list[dict[str, Any]]:
    """Return a run's cases as rows of a table."""
    return [
        {
            "Case": case.case_reference,
            "Part": case.part,
            "Why": case.why,
            "New": case.is_new,
            "Mask": case.origin.replace("_", " "),
            "Reviewed": "whole" if case.reviewed.whole and case.reviewed.labels is None else "in part",
        }
        for case in cases
    ]


def _row(run: TrainingRunSummary, known: Sequence[ModelVersion]) -> dict[str, Any]:
    took = (
        duration((run.finished_at - run.started_at).total_seconds())
        if run.started_at and run.finished_at
        else "-"
    )
    return {
        "Started": moment(run.created_at),
        "By": f"{run.created_by} ({run.trigger})",
        "Kind": KINDS[run.kind],
        "Result": _result(run, known),
        "Last attempt took": took,
    }


def _result(run: TrainingRunSummary, known: Sequence[ModelVersion]) -> str:
    made = next((version for version in known if version.id == run.version_id), None)
    return f"v{made.number}" if made is not None else run.state
