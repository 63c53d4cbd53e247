"""Page "Worklist": every case of the project, where it stands, and the way into it."""

from html import escape
from typing import Any

import streamlit as st
from segloop_viewer import uploader

from segloop.accounts.roles import Role
from segloop.errors import SegloopError
from segloop.schemas import Case, Label, VolumeIdentity, Worklist
from segloop.worklist.state import CASE_STATES, OPEN, CaseState
from ui.api_client import ApiClient
from ui.views import here as place
from ui.views import identities
from ui.views.case import resume
from ui.views.here import Here
from ui.views.masks import API_BASE, label_numbers, newest_labels
from ui.views.navigation import Open
from ui.views.text import age, explain, plain

PAGE, LONGEST = 25, 200
CHOICES: dict[str, tuple[CaseState, ...]] = {
    "All": (),
    "To do": OPEN,
    "Segmenting": ("segmenting",),
    "Corrected": ("corrected",),
    "Accepted": ("accepted",),
    "Rejected": ("rejected",),
}
COLORS: dict[CaseState, str] = {
    "new": "gray",
    "segmenting": "blue",
    "failed": "red",
    "segmented": "orange",
    "in_review": "violet",
    "corrected": "green",
    "accepted": "green",
    "rejected": "red",
}


def page(api: ApiClient, here: Here, open_case: Open) -> None:
    """Show the page; `open_case` goes to a case."""
    uploaded = _upload(api, here) if here.may(Role.ANNOTATOR) else None
    if uploaded:
        if not uploaded["mask_id"]:
            st.session_state["just_uploaded"] = uploaded["volume_id"]
        open_case(uploaded["volume_id"])
    wanted = st.session_state.pop("open_case", None)
    if wanted:
        open_case(wanted)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Worklist", width="stretch")
        place.choose(here)
        is_named = identities.switch(here)
    with st.container(horizontal=True, vertical_alignment="center"):
        choice = st.segmented_control(
            "State", list(CHOICES), default="All", key="worklist_state", label_visibility="collapsed"
        )
        search = st.text_input(
            "Search",
            key="worklist_search",
            placeholder="Search by case reference",
            label_visibility="collapsed",
            width=220,
        )
        patient = _patient_box() if is_named else ""
    _list(api, here, CHOICES[choice or "All"], search, patient, is_named=is_named)


def _upload(api: ApiClient, here: Here) -> dict[str, Any] | None:
    with st.sidebar:
        st.markdown("**New CT**")
        labels = _labels(api, here)
        uploaded = uploader(
            api_base=API_BASE,
            project=here.project.slug,
            labels=[label.model_dump() for label in labels],
            key=f"uploader-{here.project.slug}",
        )
        st.caption("Without a patient reference, a CT counts as a patient of its own.")
        if labels:  # which number means which label the file itself can't tell
            with st.expander("Numbers in a mask"):
                st.caption(plain(label_numbers(labels)))
    return uploaded


def _patient_box() -> str:
    text = st.text_input(
        "Patient",
        key="worklist_patient",
        placeholder="Find a patient: name, ID, accession",
        help="A whole ID or accession number, or the beginnings of a name's parts. Searches are recorded, without what was typed.",
        label_visibility="collapsed",
        width=270,
        max_chars=100,
    )
    return text.strip()


@st.fragment(run_every=5.0)
def _list(
    api: ApiClient,
    here: Here,
    states: tuple[CaseState, ...],
    search: str,
    patient: str,
    *,
    is_named: bool,
) -> None:
    shown = st.session_state.setdefault("worklist_shown", PAGE)
    try:
        theirs = identities.find(api, here.project.slug, patient) if patient else None
        if theirs is not None and not theirs.volume_ids:
            st.caption("No CT of such a patient. Type a whole ID or accession number, or how a name begins.")
            return
        volumes = theirs.volume_ids if theirs else None
        found = api.worklist(here.project.slug, states=states, search=search, volumes=volumes, limit=shown)
    except SegloopError as error:
        place.look_again(error)
        st.error(explain(error))
        return
    try:
        who = identities.look(api, found.items, place="worklist") if is_named else {}
    except SegloopError as error:  # the work goes on, by case references
        st.warning(explain(error))
        who = {}
    st.caption(_counts(found) or "No case matches.")
    if theirs is not None and not theirs.is_complete:
        st.caption("There are more than can be listed: type more of the name, or the ID.")
    if found.resumable is not None and here.may(Role.ANNOTATOR):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"You were editing **{plain(found.resumable.case_reference)}**, {age(found.resumable.updated_at)}.",
                width="stretch",
            )
            if st.button("Resume", type="primary"):
                resume(found.resumable.id, found.resumable.base_mask_id)
                _go(found.resumable.id)
    for case in found.items:
        _row(case, who.get(case.id))
    if not found.counts and not search:
        st.info(f"**Segloop** - research use only, not a medical device.  \n{_what_follows(api, here)}")
    if found.next_cursor and shown < LONGEST and st.button("Show more"):
        st.session_state["worklist_shown"] = min(shown + PAGE, LONGEST)
        st.rerun(scope="fragment")
    if found.next_cursor and shown >= LONGEST:
        st.caption(f"These are the {LONGEST} touched last. Search for others by their case reference.")


def _row(case: Case, identity: VolumeIdentity | None) -> None:
    picture, name, state, who, action = st.columns([2, 10, 3, 4, 3], vertical_alignment="center")
    picture.html(
        f'<img src="{API_BASE}/v1/volumes/{case.id}/thumbnail" loading="lazy" alt="Middle slice of {escape(case.case_reference)}" '
        'style="height:64px;max-width:100%;object-fit:contain;background:#000;border-radius:4px;display:block">'
    )
    size = " x ".join(map(str, case.shape))
    about = f"{size}, uploaded {age(case.created_at)}"
    if identity is None:
        name.markdown(f"**{plain(case.case_reference)}** · {plain(case.pseudonym)}  \n:small[{about}]")
    else:
        lines = [identities.headline(identity), f":small[{identities.study(identity)}]"]
        name.markdown("  \n".join([*lines, f":small[{plain(case.case_reference)} · {about}]"]))
    # Uploaded ground truth counts as corrected, and nobody corrected it here.
    is_given = case.state == "corrected" and case.mask_kind == "ground_truth"
    standing = "ground truth" if is_given else case.state.replace("_", " ")
    state.badge(standing, color=COLORS[case.state])  # type: ignore[arg-type]
    notes = ["your draft"] if case.has_draft else []
    notes += ["somebody else is editing"] if case.n_other_drafts else []
    who.caption(" · ".join([f"{plain(case.touched_by)}, {age(case.touched_at)}", *notes]))
    if action.button("Open", key=f"open-{case.id}"):
        _go(case.id)


def _what_follows(api: ApiClient, here: Here) -> str:
    """Return how a CT comes here and what becomes of it; without a model nothing segments it."""
    if not here.may(Role.ANNOTATOR):
        return "No CT is here yet. As a viewer you see those that annotators of this project upload."
    drop = "Drop a CT (.nii, .nii.gz, or a zip of its DICOM files) into the box on the left."
    if any(version.stage == "production" for version in api.model_versions(here.project.slug)):
        return f"{drop} It is checked, segmented and shown."
    return (
        f"{drop} It is checked and shown. The project has no model yet: draw masks by hand or upload them with their CTs, and train "
        "a first version of them on the page Models & training; or have operations import one."
    )


def _labels(api: ApiClient, here: Here) -> list[Label]:
    try:
        return newest_labels(api, here.project.slug)
    except SegloopError:
        return []  # the worklist says what is wrong


def _go(volume_id: str) -> None:
    # Only a whole run can go to another page, not a fragment's.
    st.session_state["open_case"] = volume_id
    st.rerun(scope="app")


def _counts(found: Worklist) -> str:
    """Return how many cases each state has, in the order of a case's life."""
    return " · ".join(
        f"{found.counts[state]} {state.replace('_', ' ')}" for state in CASE_STATES if found.counts.get(state)
    )
