"""What the parts of the page share: doing something and saying what came of it, permissions, and what is shown once."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import streamlit as st

from segloop.accounts.roles import Role
from segloop.errors import SegloopError
from ui.views.here import Here
from ui.views.text import explain

T = TypeVar("T")
ROLES = {
    Role.VIEWER: "looks at cases and masks",
    Role.ANNOTATOR: "looks, uploads, segments and corrects",
    Role.REVIEWER: "does what annotators do, and accepts and rejects masks",
    Role.ADMIN: "does everything in the project: also trains, promotes, and keeps members and keys",
}
_ONCE = "people_once"
PERMISSIONS = {"identity": "sees whose CT it is", "export": "exports CTs for research"}


def attempt(action: Callable[[], T]) -> T | None:
    """Return what an action gives; where the API refuses it, say why and return None."""
    try:
        return action()
    except SegloopError as error:
        st.error(explain(error))
        return None


def change(action: Callable[[], None], said: str) -> None:
    """Change something, say so and show the page anew; where the API refuses it, say why."""
    try:
        action()
    except SegloopError as error:
        st.error(explain(error))
        return
    st.toast(said)
    # Another key is another popover, closed: it shuts once its work is done.
    st.session_state["people_done"] = done() + 1
    st.rerun()


def done() -> int:
    """Return how many changes were made: what a popover's or form's key holds that must shut and be empty after one."""
    return int(st.session_state.get("people_done", 0))


def role_box(key: str, role: Role = Role.ANNOTATOR) -> Role:
    """Ask for a role, and say what it may do."""
    chosen = st.selectbox("Role", list(ROLES), list(ROLES).index(role), str.capitalize, key=key)
    st.caption(f"{chosen.capitalize()}: {ROLES[chosen]}.")
    return chosen


def permission_boxes(here: Here, key: str, given: Collection[str] = ()) -> list[str]:
    """Ask for permissions; those that the person at the page lacks they can't give, though others keep theirs."""
    chosen = []
    for name, text in PERMISSIONS.items():
        may = name in here.permissions
        hint = None if may else "You don't have this permission, so you can't give it."
        if st.checkbox(
            f"{name.capitalize()}: {text}", name in given, key=f"{key}-{name}", disabled=not may, help=hint
        ):
            chosen.append(name)
    return chosen


def words(permissions: Sequence[str]) -> str:
    """Return permissions as a line of text."""
    return ", ".join(permissions)


def show_once(what: str, value: str, until: str) -> None:
    """Show something this once, in front of the page as it is after the change."""
    st.session_state[_ONCE] = (what, value, until)
    st.session_state["people_done"] = done() + 1
    st.rerun()


def what_is_new() -> None:
    """Show what `show_once` was given; nothing keeps it after that but the open page."""
    given = st.session_state.pop(_ONCE, None)
    if given is not None:
        _copy(*given)


@st.dialog("Copy it now", width="medium", dismissible=False)
def _copy(what: str, value: str, until: str) -> None:
    st.markdown(what)
    st.code(value, language=None, wrap_lines=True)
    st.caption(f"{until} It is shown only now: Segloop keeps nothing that it could be read from.")
    if st.button("I have copied it", type="primary"):
        st.rerun()
