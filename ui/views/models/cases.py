"""What there is to learn from and to test on, case by case."""

import streamlit as st

from segloop.accounts.roles import Role
from segloop.schemas import TrainingCase
from ui.api_client import ApiClient
from ui.views.here import Here
from ui.views.text import moment, plain


def show(api: ApiClient, here: Here) -> None:
    """Show every case and how it stands, and keep patients for tests."""
    found = api.training_cases(here.project.slug)
    if not found:
        st.info(
            "No cases yet. A case is a mask that somebody accepted or corrected, or uploaded ground truth. "
            "Open a case on the worklist and submit feedback."
        )
        return
    st.dataframe([_row(case) for case in found], hide_index=True)
    useless = [case for case in found if case.why_not]
    if useless:
        names = ", ".join(plain(case.case_reference) for case in useless[:5])
        st.warning(
            f"{len(useless)} of {len(found)} can't teach anything yet ({names}): {useless[0].why_not}. "
            "Open the case, mark what you reviewed, finalize and submit feedback again."
        )
    if here.may(Role.ADMIN):
        _freeze(api, here, found)
    _learned_by(api, found)


def standing(case: TrainingCase) -> str:
    """Return in a few words what a case is good for."""
    if case.why_not:
        return case.why_not
    if case.is_test and case.is_dense and not case.is_reference:
        return "nothing: a test patient, and a version's own mask would test itself"
    if case.is_test:
        return "test" if case.is_dense else "test, reviewed in part"
    if case.is_validation:
        return "to validate" if case.is_new else "production validated on it"
    return "to learn" if case.is_new else "production learned from it"


def _row(case: TrainingCase) -> dict[str, object]:
    return {
        "Case": case.case_reference,
        "Mask": case.origin.replace("_", " "),
        "By": case.decided_by,
        "When": moment(case.decided_at),
        "Reviewed": "all of it" if case.is_dense else "in part",
        "Good for": standing(case),
    }


def _freeze(api: ApiClient, here: Here, found: list[TrainingCase]) -> None:
    free = {case.volume_id: case for case in found if not case.is_test and case.is_new}
    if not free:
        return
    with st.expander("Keep patients for tests"):
        st.caption(
            "Test patients are what a candidate is compared on; they never train, and this can't be taken back. Without a choice "
            "of yours a share of the patients is kept by a hash. Choose patients whose masks were reviewed as a whole and corrected "
            "or uploaded: against its own accepted mask a version would only agree with itself."
        )
        chosen = st.multiselect(
            "Cases",
            list(free),
            format_func=lambda volume_id: free[volume_id].case_reference,
            key="freeze_cases",
            label_visibility="collapsed",
            placeholder="Choose cases",
        )
        if st.button("Keep their patients for tests", disabled=not chosen):
            api.freeze_patients(here.project.slug, chosen)
            st.toast("Kept for tests.")
            st.rerun()


def _learned_by(api: ApiClient, found: list[TrainingCase]) -> None:
    """Say which versions were trained on a patient: what somebody asks who wants to be left out."""
    with st.expander("Which versions were trained on a patient?"):
        by_id = {case.volume_id: case for case in found}
        chosen = st.selectbox(
            "Patient of the case",
            list(by_id),
            index=None,
            format_func=lambda volume_id: by_id[volume_id].case_reference,
            key="trained_on",
            placeholder="Choose a case",
        )
        if chosen is None:
            return
        versions = api.versions_of_patient(chosen)
        names = ", ".join(f"v{version.number} ({version.stage})" for version in versions)
        case = plain(by_id[chosen].case_reference)
        st.markdown(
            f"Trained on the patient of **{case}**: {names}."
            if names
            else f"No version here was trained on the patient of **{case}**."
        )
