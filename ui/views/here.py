"""Where somebody works: the project that they chose among those they are in, and what they may do there."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from segloop.accounts.roles import Role
from segloop.errors import SegloopError
from segloop.schemas import Me, Project
from ui.api_client import ApiClient
from ui.views.text import plain

_ADDRESS = "project"
"""The query parameter and the session's key that hold a project's slug: an address that is kept opens the same project."""
_CHOICE = "project_choice"
_STAYS = ("names_hidden", "names_hidden_switch")
FIRST = "default"


@dataclass(frozen=True)
class Here:
    """A project with a person's role and permissions in it, and all projects that they may choose from."""

    person: str
    project: Project
    role: Role
    permissions: frozenset[str]
    is_site_admin: bool
    choices: tuple[Project, ...]

    def may(self, role: Role) -> bool:
        """Say whether the person has a role, or one above it, here; the API decides, this only spares them a refusal."""
        return self.role.covers(role)


def find(api: ApiClient) -> Here | None:
    """Return where the person at the page works; None where that is nowhere: no project's member, or another's address."""
    me, mine = api.me(), sorted(api.projects(), key=lambda one: (one.slug != FIRST, one.name, one.slug))
    if not mine:
        _nowhere(me)
        return None
    named = st.query_params.get(_ADDRESS)
    slug = named or st.session_state.get(_ADDRESS, "")
    chosen = next((one for one in mine if one.slug == slug), None)
    if chosen is None and named:
        with suppress(SegloopError):
            api.ask_for_project(named)  # so that who looks for another's project is on record
        _unknown(mine)
        return None
    found = _here(me, mine, chosen or mine[0])
    st.session_state[_ADDRESS] = found.project.slug
    return found


def look_again(error: SegloopError) -> None:
    """Run the whole page again where a part of it met that the person was shut out: only the whole can say so, and to whom to go."""
    if error.code in ("project_unknown", "unauthorized"):
        st.rerun(scope="app")


def go_to(here: Here, project_id: str) -> None:
    """Make the project that an opened object belongs to the place to work in."""
    chosen = next((one for one in here.choices if one.id == project_id), here.project)
    if chosen == here.project:
        return
    volume_id = st.session_state.get("volume_id")
    _enter(chosen.slug)
    st.session_state["volume_id"] = volume_id
    st.rerun()


def choose(here: Here) -> None:
    """Offer the projects and keep the chosen one in the page's address; where there is only one, name it."""
    if len(here.choices) < 2:
        name(here)
        return
    st.query_params[_ADDRESS] = st.session_state[_CHOICE] = here.project.slug
    names = {one.slug: one.name for one in here.choices}
    doubled = len(set(names.values())) < len(names)
    st.selectbox(
        "Project",
        list(names),
        format_func=lambda slug: f"{names[slug]} ({slug})" if doubled else names[slug],
        key=_CHOICE,
        on_change=lambda: _enter(str(st.session_state[_CHOICE])),
        label_visibility="collapsed",
        width=220,
    )


def name(here: Here) -> None:
    """Say which project the page is about."""
    st.caption(plain(here.project.name), width="content")


def _here(me: Me, mine: Sequence[Project], chosen: Project) -> Here:
    membership = next((one for one in me.projects if one.project_id == chosen.id), None)
    if me.is_site_admin:
        role, permissions = Role.ADMIN, me.permissions
    else:
        role = membership.role if membership else Role.VIEWER
        permissions = membership.permissions if membership else []
    return Here(me.name, chosen, role, frozenset(permissions), me.is_site_admin, tuple(mine))


def _enter(slug: str) -> None:
    """Go to another project: what was typed, chosen and looked at in the last one stays behind."""
    for key in [key for key in st.session_state if key not in _STAYS]:
        del st.session_state[key]
    st.session_state[_ADDRESS] = st.query_params[_ADDRESS] = slug


def _nowhere(me: Me) -> None:
    st.subheader("No project yet")
    if me.is_site_admin:
        st.info("There is no project. Make one by `POST /v1/projects`; docs/api.md says how.")
        return
    st.info(
        f"You are signed in as **{plain(me.name)}**, and a member of no project, so there is nothing to show. Ask an admin of the "
        "project that you are to work in, or a site admin, to make you a member on the page People. Then load this page again."
    )


def _unknown(mine: Sequence[Project]) -> None:
    st.error(
        "There is no project of this address, or you are no member of it. Ask one of its admins for a role in it."
    )
    if st.button(f"Go to {plain(mine[0].name)}"):
        _enter(mine[0].slug)
        st.rerun()
