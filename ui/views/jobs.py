"""Page "Jobs": every job, its state, error, retry and cancel; refreshed by itself."""

import streamlit as st

from segloop.errors import SegloopError
from segloop.schemas import JobOut
from ui.api_client import ApiClient
from ui.views.text import age, duration, job_line

STATES = ["all", "queued", "running", "succeeded", "failed", "cancelled"]


def page(api: ApiClient) -> None:
    """Show the page."""
    st.subheader("Jobs")
    state = st.segmented_control("State", STATES, default="all", label_visibility="collapsed") or "all"
    _table(api, None if state == "all" else state)


@st.fragment(run_every=2.0)
def _table(api: ApiClient, state: str | None) -> None:
    try:
        jobs = api.jobs(state)
    except SegloopError as error:
        st.error(error.message)
        return
    if not jobs:
        st.info("No jobs here. Segment a CT on the page Segment.")
    for job in jobs:
        _row(api, job)


def _row(api: ApiClient, job: JobOut) -> None:
    left, middle, right = st.columns([5, 2, 1], vertical_alignment="center")
    left.markdown(f"**{job.kind}** `{job.id[-8:]}` — {job_line(job)}")
    took = ""
    if job.started_at and job.finished_at:
        took = f" · took {duration((job.finished_at - job.started_at).total_seconds())}"
    code = f" · code `{job.error.code}`" if job.error else ""
    middle.caption(f"{age(job.created_at)}{took} · attempt {job.attempt}{code}")
    try:
        if job.state in ("queued", "running") and right.button("Cancel", key=f"cancel-{job.id}"):
            api.cancel(job.id)
        if job.state == "failed" and right.button("Retry", key=f"retry-{job.id}"):
            api.retry(job.id)
    except SegloopError as error:
        left.error(error.message)
