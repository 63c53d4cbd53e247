"""Page "Audit": who did what, what was refused, and how to prove that the record is whole."""

from collections.abc import Callable, Mapping
from functools import partial

import streamlit as st

from segloop.accounts.roles import Role
from segloop.errors import SegloopError
from segloop.schemas import AuditEvent, AuditPage
from ui.api_client import ApiClient
from ui.views import audit_text
from ui.views import here as place
from ui.views.here import Here
from ui.views.masks import API_BASE
from ui.views.text import explain, plain

PAGE, AT_ONCE, LONGEST = 50, 200, 2000
KINDS = {
    "All": "",
    "Looked at": "volume.opened volume.downloaded mask.opened mask.downloaded mask.compared draft.read identity.",
    "Edited": "draft.",
    "Decided": "feedback. model_version.",
    "Exported": "mask.exported volume.deidentified audit.exported",
    "Sign-ins": "session.",
    "People, keys": "person. member. link. key.",
    "Refused": "access.",
}
"""What is shown, by beginnings of actions."""
ROW = 66
"""Pixels of three lines: a table wraps its texts in rows that are higher than 64."""
WIDTHS = {"When (UTC)": 100, "Who": 110, "What": 170, "Project": 90, "About": 110, "Id": 165}


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
        actions = KINDS[kind or "All"].split()
        ask = partial(api.audit, project=project, by=by.strip(), actions=actions, object_id=about.strip())
        found = _events(ask, shown)
    except SegloopError as error:
        st.error(explain(error))
        return
    if not found:
        st.info("Nothing of this kind is on record.")
    else:
        _table(here, found, is_whole=not project)
    if len(found) == shown and shown < LONGEST and st.button("Show more"):
        st.session_state["audit_shown"] = min(shown + AT_ONCE, LONGEST)
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


def _events(ask: Callable[..., AuditPage], wanted: int) -> list[AuditEvent]:
    """Return the newest events."""
    found: list[AuditEvent] = []
    before_id = None
    while len(found) < wanted:
        page = ask(before_id=before_id, limit=min(wanted - len(found), AT_ONCE))
        found += page.items
        before_id = page.next_before_id
        if before_id is None:
            break
    return found


def _table(here: Here, events: list[AuditEvent], *, is_whole: bool) -> None:
    slugs = {one.id: one.slug for one in here.choices}
    rows = [_row(event, slugs, is_whole=is_whole) for event in events]
    st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        height=min(ROW * len(rows) + 40, 700),
        row_height=ROW,
        column_config={name: st.column_config.TextColumn(width=width) for name, width in WIDTHS.items()},
    )


def _row(event: AuditEvent, slugs: Mapping[str, str], *, is_whole: bool) -> dict[str, str]:
    project = {"Project": slugs.get(event.project_id or "", "")} if is_whole else {}
    return {
        "When (UTC)": audit_text.when(event),
        "Who": event.actor,
        "What": event.action,
        **project,
        "About": audit_text.about(event, slugs),
        "Details": audit_text.details(event),
        "Id": "" if event.object_type == "route" else event.object_id or "",
    }
