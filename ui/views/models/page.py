"""The page as a whole: what is live and how far the next retraining is, then one tab for each kind of work."""

from collections.abc import Sequence

import streamlit as st

from segloop.errors import SegloopError
from segloop.schemas import NOTICE, LearningState, ModelVersion, Policy
from ui.api_client import ApiClient
from ui.views import here as place
from ui.views.here import Here
from ui.views.models import cases, feedback, policy, run, versions
from ui.views.text import explain, moment, plain


def page(api: ApiClient, here: Here) -> None:
    """Show the page."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Models & training", width="stretch")
        place.choose(here)
    try:
        project = here.project.slug
        known = api.model_versions(project)
        state, rules = api.learning_state(project), api.training_policy(project)
        _production(known)
        _standing(state, rules)
        training, line, learning, opinions, settings = st.tabs(
            ["Training", "Versions", "Cases", "Feedback", "Policy"], key="models_tab", on_change="rerun"
        )
        for tab, show in (
            (training, lambda: run.show(api, here, state, rules, known)),
            (line, lambda: versions.show(api, here, known)),
            (learning, lambda: cases.show(api, here)),
            (opinions, lambda: feedback.show(api.feedback_statistics(project))),
            (settings, lambda: policy.show(api, here, rules)),
        ):
            # Those two are forms: what was typed there would be gone after a look at another tab.
            if tab.open or tab in (training, settings):
                with tab:
                    show()
    except SegloopError as error:
        st.error(explain(error))
    st.caption(NOTICE)


def _production(known: Sequence[ModelVersion]) -> None:
    live = next((version for version in known if version.stage == "production"), None)
    if live is None:
        st.info(
            "No version is in production, so nothing can be segmented yet; masks can be uploaded, drawn and compared. "
            "Train the first version here from uploaded ground truth (a full retrain), or import a model: "
            "`./segloop models import FOLDER_OR_ZIP --promote REASON`."
        )
        return
    since = (
        f" since {moment(live.promoted_at)}, promoted by {plain(live.promoted_by or '')}"
        if live.promoted_at
        else ""
    )
    st.markdown(f"In production: **v{live.number}** ({plain(live.name)}){since}. {_line(live, known)}")


def _line(live: ModelVersion, known: Sequence[ModelVersion]) -> str:
    """Return the versions that the live one came from, oldest first."""
    by_id, names = {version.id: version for version in known}, []
    version: ModelVersion | None = live
    while version is not None and f"v{version.number}" not in names:
        names.append(f"v{version.number}")
        version = by_id.get(version.parent_id or "")
    return f"Line: {' → '.join(reversed(names))}." if len(names) > 1 else ""


def _standing(state: LearningState, rules: Policy) -> None:
    """Say in one row how far the next retraining is and what it could be tested on."""
    facts = {
        f"New corrections ({rules.minimum_corrections} needed)": (
            str(state.n_new),
            "Accepted, corrected or uploaded masks that the version in production did not learn from. So many allow a retraining.",
        ),
        "Since the last run": (
            str(state.n_counting),
            "Of them what no run has seen yet: so many start a retraining by themselves, where the policy says so.",
        ),
        "Test patients": (str(state.n_test_patients), "Kept for comparisons; they never train."),
        "Frozen test cases": (
            str(state.n_frozen_cases),
            "Cases of test patients reviewed as a whole, without masks that were accepted as a version made them.",
        ),
        "Corrected test cases": (
            str(state.n_corrected_cases),
            "Held-back cases that people had to correct: here a candidate must be better.",
        ),
    }
    for column, (name, (value, text)) in zip(st.columns(len(facts)), facts.items(), strict=True):
        column.metric(name, value, help=text)
