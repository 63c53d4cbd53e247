"""Page "Audit": who did what, what was refused, and how to prove that the record is whole."""

import json
from collections.abc import Callable
from functools import partial

import streamlit as st

from segloop.accounts.roles import Role
from segloop.errors import SegloopError
from segloop.schemas import AuditEvent, AuditPage
from ui.api_client import ApiClient
from ui.views import here as place
from ui.views.here import Here
from ui.views.masks import API_BASE
from ui.views.text import explain, moment, plain

PAGE, LONGEST = 50, 200
KINDS = {
    "All": "",
    "Looked at": "opened viewed downloaded read compared",
    "Edited": "draft.",
    "Decided": "feedback. model_version.",
    "Exported": "exported",
    "Refused": "access.",
}
"""What is shown, by words of which an action has one."""


def page(api: ApiClient, here: Here) -> None:
    """Show the page: of the project, or to site admins of the whole installation."""
    if not here.may(Role.ADMIN):
        st.info(f"The audit record of {plain(here.project.name)} is for its admins. Ask one of them.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Audit", width="stretch")
        project = _scope(here)
        query = f"?project={project}" if project else ""
        st.link_button("Download all", f"{API_BASE}/v1/audit/export{query}")
    with st.container(horizontal=True, vertical_alignment="center"):
        kind = st.segmented_control(
            "Kind", list(KINDS), default="All", key="audit_kind", label_visibility="collapsed"
        )
        by = st.text_input(
            "By", key="audit_by", placeholder="By whom", label_visibility="collapsed", width=180
        )
        about = st.text_input(
            "About",
            key="audit_about",
            placeholder="Id of a CT, mask or job",
            label_visibility="collapsed",
            width=260,
        )
    shown = st.session_state.setdefault("audit_shown", PAGE)
    try:
        ask = partial(api.audit, project=project, by=by.strip(), object_id=about.strip())
        found = _events(ask, KINDS[kind or "All"].split(), shown)
    except SegloopError as error:
        st.error(explain(error))
        return
    if not found:
        st.info("Nothing of this kind is on record.")
    else:
        st.dataframe(
            [_row(event) for event in found],
            hide_index=True,
            width="stretch",
            height=min(36 * len(found) + 40, 640),
        )
    if len(found) == shown and shown < LONGEST and st.button("Show more"):
        st.session_state["audit_shown"] = min(shown + PAGE, LONGEST)
        st.rerun()
    st.caption(
        "Events are only ever appended, and sealed into a chain within seconds. On the server `./segloop audit verify` finds a "
        "changed or missing one; `./segloop audit head` gives what to keep elsewhere, so that its end can't be cut off unseen."
    )


def _scope(here: Here) -> str:
    """Return the slug of the project whose events are shown, or "" for those of the whole installation."""
    if here.is_site_admin:
        whole = st.segmented_control(
            "Of what",
            ["Installation", "Project"],
            default="Installation",
            key="audit_scope",
            label_visibility="collapsed",
        )
        if whole != "Project":
            return ""
    place.choose(here)
    return here.project.slug


def _events(ask: Callable[..., AuditPage], words: list[str], wanted: int) -> list[AuditEvent]:
    """Return the newest events that fit, reading on where others lie between."""
    found: list[AuditEvent] = []
    before_id = None
    for _ in range(10):
        page = ask(before_id=before_id, limit=200 if words else wanted)
        found += [one for one in page.items if not words or any(word in one.action for word in words)]
        before_id = page.next_before_id
        if before_id is None or len(found) >= wanted:
            break
    return found[:wanted]


def _row(event: AuditEvent) -> dict[str, str]:
    return {
        "When": moment(event.at),
        "Who": event.actor,
        "What": event.action,
        "About": event.object_type,
        "Id": event.object_id or "",
        "Details": json.dumps(event.detail, sort_keys=True) if event.detail else "",
    }
