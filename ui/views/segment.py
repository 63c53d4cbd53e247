"""Page "Segment": a CT goes in, a mask comes out, and a person looks at it."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import streamlit as st

from segloop.accounts.roles import Role
from segloop.errors import SegloopError
from segloop.schemas import Volume
from ui.api_client import ApiClient
from ui.views import case, identities
from ui.views import here as place
from ui.views.here import Here
from ui.views.navigation import Open, next_case
from ui.views.text import explain, job_line, plain, source_notes, waiting_hint


@dataclass(frozen=True)
class Ways:
    """The ways to other pages."""

    to_case: Open
    to_compare: Open
    to_worklist: Callable[[], None]


def page(api: ApiClient, here: Here, ways: Ways) -> None:
    """Show the case of the address, or the one shown last."""
    volume_id = st.query_params.get("volume") or st.session_state.get("volume_id")
    try:
        if volume_id is None:
            _nothing("Choose a case in the worklist.", ways)
            return
        volume = api.volume(volume_id)
        # In the address too, so that a reloaded page shows the same CT; an id says nothing about the patient.
        st.session_state["volume_id"] = st.query_params["volume"] = volume_id
        place.go_to(here, volume.project_id)
        _show(api, here, volume, ways)
    except SegloopError as error:
        if error.code in ("volume_unknown", "id_invalid"):
            st.session_state.pop("volume_id", None)
            _nothing("The CT of this address is not here. Choose another in the worklist.", ways)
        else:
            st.error(explain(error))


def _nothing(why: str, ways: Ways) -> None:
    st.info(why)
    if st.button("Worklist", icon=":material/arrow_back:"):
        ways.to_worklist()


def _show(api: ApiClient, here: Here, volume: Volume, ways: Ways) -> None:
    spacing = " x ".join(f"{value:.2f}" for value in volume.spacing_mm)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Worklist", icon=":material/arrow_back:"):
            ways.to_worklist()
        st.markdown(
            f"**{plain(volume.case_reference)}** · {' x '.join(map(str, volume.shape))} voxels of {spacing} mm"
            f"{' · DICOM' if volume.is_dicom else ''}",
            width="stretch",
            help=source_notes(volume.notes) or None,
        )
        place.name(here)
        is_named = identities.switch(here)
        if st.button("Next case", icon=":material/arrow_forward:", icon_position="right"):
            next_case(api, here.project.slug, volume.id, ways.to_case)
    if is_named:
        identities.show(api, volume, place="case")
    # Jobs before masks: of one that ends between the two its mask is there, and no second job is offered.
    job_id = st.session_state.get(_job_key(volume)) or _find_unfinished(api, volume)
    masks = api.masks(volume.id)
    case.take_up(volume, masks)
    if job_id:
        st.session_state[_job_key(volume)] = job_id
        _watch(api, volume, job_id, may_cancel=here.may(Role.ANNOTATOR))
    elif not masks and not case.is_editing(volume, None) and here.may(Role.ANNOTATOR):
        _offer(api, volume)
    case.show(
        api,
        here,
        volume,
        masks,
        again=lambda: _again(api, volume),
        compare=lambda: ways.to_compare(volume.id),
    )


def _job_key(volume: Volume) -> str:
    return f"job-{volume.id}"


def _find_unfinished(api: ApiClient, volume: Volume) -> str | None:
    # A reloaded page, or another person's, goes on watching instead of offering to start a second job.
    jobs = api.jobs(volume_id=volume.id)
    return next((job.id for job in jobs if job.state in ("queued", "running")), None)


def _offer(api: ApiClient, volume: Volume, *, again: bool = False) -> None:
    """Start the job of a CT that has just come; else offer to, and say what became of the last one."""
    last = next(iter(api.jobs(volume_id=volume.id, limit=1)), None)
    if last is not None and last.state == "failed" and last.error:
        st.error(explain(SegloopError(last.error.code, job_line(last))))
    if volume.is_hu_like:
        if st.session_state.pop("just_uploaded", None) == volume.id or st.button(
            "Segment this CT", type="primary"
        ):
            _request(api, volume)
        return
    st.warning(
        f"The values run from {volume.hu_min:g} to {volume.hu_max:g} and don't look like HU of a CT. "
        "Segment it only if you know that it is one; what you state is recorded. "
        "A CT stored as 0 to 4095 often needs -1024."
    )
    left, middle, right = st.columns([3, 3, 2], vertical_alignment="bottom")
    offset = left.number_input("Add this to get HU (0: they are HU)", value=_likely_offset(volume), step=1.0)
    sure = middle.checkbox("This is a CT, and the offset is right")
    if right.button("Segment this CT", type="primary", disabled=not sure):
        _request(api, volume, hu_offset=offset, hu_confirmed=True, again=again)


def _again(api: ApiClient, volume: Volume) -> None:
    """Offer another segmentation of a CT that has one."""
    is_busy = _job_key(volume) in st.session_state
    if not volume.is_hu_like:
        with st.popover("Segment again", disabled=is_busy):
            _offer(api, volume, again=True)
    elif st.button("Segment again", disabled=is_busy):
        _request(api, volume, again=True)


def _likely_offset(volume: Volume) -> float:
    """Return what to propose for a volume that is not in HU: a CT without a negative value was stored from 0."""
    return -1024.0 if volume.hu_min >= 0 and volume.hu_max > 1500 else 0.0


def _request(api: ApiClient, volume: Volume, **parameters: object) -> None:
    """Ask once for a segmentation: the key stays the same until the API has answered, so a repeat makes no second job."""
    key = st.session_state.setdefault(f"request-{volume.id}", str(uuid4()))
    try:
        job = api.segment(volume.id, project=volume.project_id, idempotency_key=key, **parameters)
    except SegloopError as error:
        st.error(explain(error))
        return
    del st.session_state[f"request-{volume.id}"]
    st.session_state[_job_key(volume)] = job.id
    st.rerun()


@st.fragment(run_every=1.0)
def _watch(api: ApiClient, volume: Volume, job_id: str, *, may_cancel: bool) -> None:
    try:
        job = api.job(job_id)
        waits_alone = job.state == "queued" and not api.jobs("running")
    except SegloopError as error:
        st.warning(explain(error))
        return
    if job.state == "succeeded":
        st.session_state.pop(_job_key(volume), None)
        st.rerun(scope="app")
    if job.state in ("failed", "cancelled"):
        left, right = st.columns([6, 1], vertical_alignment="center")
        left.error(job_line(job))
        if right.button("Back"):
            st.session_state.pop(_job_key(volume), None)
            st.rerun(scope="app")
        return
    left, right = st.columns([6, 1], vertical_alignment="center")
    left.progress(job.progress, text=job_line(job))
    if may_cancel and right.button("Cancel", disabled=job.cancel_requested):
        try:
            api.cancel(job.id)
        except SegloopError as error:
            left.warning(explain(error))
    if waits_alone and (hint := waiting_hint(job)):
        st.warning(hint)
