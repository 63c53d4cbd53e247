"""Whose unfinished edits a CT has: one's own to go on with, and those of others, who are named."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from segloop.schemas import Draft
from ui.views.text import age, plain

BARELY_BEGUN = timedelta(days=1)
"""For so long somebody who began an edit and drew nothing counts as at work; they may just have looked in."""


def others(drafts: Sequence[Draft], person: str, now: datetime | None = None) -> dict[str, datetime]:
    """Return who else has an unfinished edit, with the time of their last change, the latest first."""
    since = (now or datetime.now(UTC)) - BARELY_BEGUN
    found = [
        draft
        for draft in drafts
        if draft.state == "open"
        and draft.created_by != person
        and (draft.head.sequence > 0 or draft.updated_at > since)
    ]
    latest: dict[str, datetime] = {}
    for draft in sorted(found, key=lambda draft: draft.updated_at, reverse=True):
        latest.setdefault(draft.created_by, draft.updated_at)
    return latest


def has_own(drafts: Sequence[Draft], person: str, base_mask_id: str | None) -> bool:
    """Say whether a person has an unfinished edit of a mask, or (None) of a new one."""
    return any(
        draft.state == "open" and draft.created_by == person and draft.base_mask_id == base_mask_id
        for draft in drafts
    )


def show(drafts: Sequence[Draft], person: str, *, may_edit: bool) -> None:
    """Name them above the viewer; nothing where there is nobody."""
    found = others(drafts, person)
    if not found:
        return
    names = ", ".join(f"**{plain(name)}** ({age(at)})" for name, at in found.items())
    apart = " Your edits stay apart from theirs; nobody overwrites anybody." if may_edit else ""
    st.markdown(f":small[:material/edit: At work on this CT: {names}.{apart}]")
