"""Page "Audit": who did what, what was refused, and how to prove that the record is whole."""

import json

import streamlit as st

from segloop.errors import SegloopError
from segloop.schemas import AuditEvent
from ui.api_client import ApiClient
from ui.views.masks import API_BASE
from ui.views.text import explain, moment

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


def page(api: ApiClient) -> None:
    """Show the page."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Audit", width="stretch")
        st.link_button("Download all", f"{API_BASE}/v1/audit/export")
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
        found = _events(api, KINDS[kind or "All"].split(), by.strip(), about.strip(), shown)
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


def _events(api: ApiClient, words: list[str], by: str, about: str, wanted: int) -> list[AuditEvent]:
    """Return the newest events that fit, reading on where others lie between."""
    found: list[AuditEvent] = []
    before_id = None
    for _ in range(10):
        page = api.audit(by=by, object_id=about, before_id=before_id, limit=200 if words else wanted)
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
