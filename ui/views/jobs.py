"""Page "Jobs": every job, its state, error, retry and cancel; refreshed by itself."""

from html import escape

import streamlit as st

from segloop.accounts.roles import Role
from segloop.errors import SegloopError
from segloop.schemas import JobOut
from ui.api_client import ApiClient
from ui.views import here as place
from ui.views.here import Here
from ui.views.text import age, duration, explain, job_line, stage_times

PAGE, LONGEST = 25, 200
STATES = ["all", "queued", "running", "succeeded", "failed", "cancelled"]


def page(api: ApiClient, here: Here) -> None:
    """Show the page."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Jobs", width="stretch")
        place.choose(here)
    state = st.segmented_control("State", STATES, default="all", label_visibility="collapsed") or "all"
    _table(api, here, None if state == "all" else state)


@st.fragment(run_every=2.0)
def _table(api: ApiClient, here: Here, state: str | None) -> None:
    shown = st.session_state.setdefault("jobs_shown", PAGE)
    try:
        jobs = api.jobs(state, project=here.project.id, limit=shown)
    except SegloopError as error:
        place.look_again(error)
        st.error(explain(error))
        return
    if not jobs:
        st.info("No jobs here. Segment a CT on the page Segment.")
    for job in jobs:
        _row(api, here, job)
    if len(jobs) == shown and shown < LONGEST and st.button("Show more"):
        st.session_state["jobs_shown"] = min(shown + PAGE, LONGEST)
        st.rerun(scope="fragment")


def _row(api: ApiClient, here: Here, job: JobOut) -> None:
    case, left, middle, right = st.columns([2, 4, 4, 1], vertical_alignment="center")
    case.html(_case(api, job))
    left.markdown(f"{job.kind} — {job_line(job)}")
    facts = [age(job.created_at)]
    if job.started_at and job.finished_at:
        facts.append(f"took {duration((job.finished_at - job.started_at).total_seconds())}")
    facts += [stage_times(job), f"attempt {job.attempt}" if job.attempt > 1 else ""]
    facts += [f"code `{job.error.code}`" if job.error else "", f"`{job.id[-8:]}`"]
    middle.caption(" · ".join(fact for fact in facts if fact))
    if not here.may(Role.ANNOTATOR if job.kind == "segment" else Role.ADMIN):
        return
    try:
        if job.state in ("queued", "running") and right.button("Cancel", key=f"cancel-{job.id}"):
            api.cancel(job.id)
        if job.state == "failed" and right.button("Retry", key=f"retry-{job.id}"):
            api.retry(job.id)
    except SegloopError as error:
        left.error(explain(error))


def _case(api: ApiClient, job: JobOut) -> str:
    """Return what the job is about, a case as a link to it; names never change, so each is asked for once."""
    if job.model_version_id is not None and job.volume_id is None:
        versions = st.session_state.setdefault("versions", {})
        if job.model_version_id not in versions:
            versions[job.model_version_id] = api.model_version(job.model_version_id)
        return f"v{versions[job.model_version_id].number}"
    if job.volume_id is None:
        return "all cases"
    names = st.session_state.setdefault("case_names", {})
    if job.volume_id not in names:
        names[job.volume_id] = api.volume(job.volume_id).case_reference
    # A Markdown link would open another tab.
    return f'<a href="/segment?volume={job.volume_id}" target="_self">{escape(names[job.volume_id])}</a>'
