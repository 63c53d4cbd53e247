"""The ways between pages."""

from collections.abc import Callable

import streamlit as st

from segloop.worklist.state import OPEN
from ui.api_client import ApiClient

Open = Callable[[str], None]
"""Goes to the page of a case, given its volume's id."""


def next_case(api: ApiClient, project: str, volume_id: str, open_case: Open) -> None:
    """Go to the case that waits for a person and was touched last, other than this one; say so if there is none."""
    waiting = [case for case in api.worklist(project, states=OPEN, limit=50).items if case.id != volume_id]
    free = [case for case in waiting if not case.n_other_drafts] or waiting
    if free:
        open_case(free[0].id)
    else:
        st.toast("No other case is waiting.")
