"""Page "Segment": a CT goes in, a mask comes out, and a person looks at it."""

from datetime import UTC, datetime, timedelta

import streamlit as st
from segloop_viewer import uploader, viewer

from segloop.errors import SegloopError
from segloop.schemas import Mask, Ticket, Volume
from ui.api_client import ApiClient
from ui.views.text import job_line, moment

PROJECT = "default"
API_BASE = "/api"
RENEW_BEFORE = timedelta(minutes=5)


def page(api: ApiClient) -> None:
    """Show the page."""
    try:
        volumes = api.volumes(PROJECT)
        with st.sidebar:
            volume = _choose(api, volumes)
        if volume is None:
            st.info(
                "Drop a CT (.nii or .nii.gz) into the box on the left. It is checked, segmented and shown here."
            )
            return
        _show(api, volume)
    except SegloopError as error:
        st.error(error.message)


def _choose(api: ApiClient, volumes: list[Volume]) -> Volume | None:
    st.markdown("**New CT**")
    uploaded = uploader(api_base=API_BASE, project=PROJECT, key="uploader")
    st.caption("Without a patient reference, a CT counts as a patient of its own.")
    if uploaded:
        _remember(uploaded["volume_id"])
        st.session_state.pop("picked_volume", None)
        volumes = api.volumes(PROJECT)
    st.markdown("**Earlier CTs**")
    by_id = {volume.id: volume for volume in volumes}
    ids = list(by_id)
    chosen = st.session_state.get("volume_id") or st.query_params.get("volume")
    if not ids:
        st.caption("None yet.")
        return None
    if "picked_volume" not in st.session_state and chosen in by_id:
        st.session_state["picked_volume"] = chosen
    volume_id = st.selectbox(
        "CT",
        ids,
        index=None,
        # Without a key, or with labels that change as time goes by, Streamlit takes this for another widget and
        # drops the choice.
        key="picked_volume",
        format_func=lambda key: f"{by_id[key].case_reference} · {moment(by_id[key].created_at)}",
        label_visibility="collapsed",
        placeholder="Choose a CT",
    )
    if volume_id:
        _remember(volume_id)
    return by_id.get(volume_id) if volume_id else None


def _remember(volume_id: str) -> None:
    # In the address too, so that a reloaded page shows the same CT; an id says nothing about the patient.
    st.session_state["volume_id"] = volume_id
    st.query_params["volume"] = volume_id


def _show(api: ApiClient, volume: Volume) -> None:
    spacing = " x ".join(f"{value:.2f}" for value in volume.spacing_mm)
    st.markdown(f"**{volume.case_reference}** · {' x '.join(map(str, volume.shape))} voxels of {spacing} mm")
    masks = api.masks(volume.id)
    if not masks:
        _start(api, volume)
    _look(api, volume, masks[0] if masks else None)


def _start(api: ApiClient, volume: Volume) -> None:
    job_id = st.session_state.get(f"job-{volume.id}") or _find_unfinished(api, volume)
    if job_id:
        st.session_state[f"job-{volume.id}"] = job_id
        _watch(api, volume, job_id)
        return
    parameters: dict[str, object] = {}
    if not volume.is_hu_like:
        st.warning(
            f"The values run from {volume.hu_min:g} to {volume.hu_max:g} and don't look like HU of a CT. "
            "Segment it only if you know that it is one; what you state is recorded."
        )
        offset = st.number_input("Add this offset to get HU (0: the values are HU)", value=0.0, step=1.0)
        if not st.checkbox("This is a CT, and the offset is right"):
            return
        parameters = {"hu_offset": offset, "hu_confirmed": True}
    if st.button("Segment this CT", type="primary"):
        job = api.segment(volume.id, project=PROJECT, **parameters)
        st.session_state[f"job-{volume.id}"] = job.id
        st.rerun()


def _find_unfinished(api: ApiClient, volume: Volume) -> str | None:
    # A reloaded page, or another person's, goes on watching instead of offering to start a second job.
    jobs = [*api.jobs("running"), *api.jobs("queued")]
    return next((job.id for job in jobs if job.volume_id == volume.id), None)


@st.fragment(run_every=1.0)
def _watch(api: ApiClient, volume: Volume, job_id: str) -> None:
    try:
        job = api.job(job_id)
    except SegloopError as error:
        st.warning(error.message)
        return
    if job.state == "succeeded":
        st.rerun(scope="app")
    if job.state in ("failed", "cancelled"):
        st.error(job_line(job))
        if st.button("Start again"):
            del st.session_state[f"job-{volume.id}"]
            st.rerun(scope="app")
        return
    left, right = st.columns([6, 1], vertical_alignment="center")
    left.progress(job.progress, text=job_line(job))
    if right.button("Cancel", disabled=job.cancel_requested):
        try:
            api.cancel(job.id)
        except SegloopError as error:
            left.warning(error.message)


def _look(api: ApiClient, volume: Volume, mask: Mask | None) -> None:
    labels = []
    notice = "Research use only. Not a medical device."
    if mask is not None:
        labels = [item.model_dump() for item in api.statistics(mask.id).labels]
        origin = "imported"
        if mask.model_version_id:
            version = api.model_version(mask.model_version_id)
            origin = f"AI-generated by v{version.number} ({version.name}), NOT REVIEWED"
        notice = f"{notice} Mask: {origin}."
        st.markdown(f"[Download mask (NIfTI)]({API_BASE}/v1/masks/{mask.id}/content)")
    viewer(
        api_base=API_BASE,
        volume_id=volume.id,
        volume_ticket=_ticket(api, "volumes", volume.id),
        mask_id=mask.id if mask else None,
        mask_ticket=_ticket(api, "masks", mask.id) if mask else None,
        labels=labels,
        notice=notice,
        key=f"viewer-{volume.id}",
    )


def _ticket(api: ApiClient, kind: str, object_id: str) -> str:
    # Kept while it is good for some time yet; the viewer does not load again for a new ticket alone.
    name = f"ticket-{object_id}"
    kept: Ticket | None = st.session_state.get(name)
    if kept is None or kept.expires_at - datetime.now(UTC) < RENEW_BEFORE:
        kept = st.session_state[name] = api.ticket(kind, object_id)
    return kept.ticket
