"""API keys of programs: in a project with a role, or (project None) of the installation as a site admin."""

from datetime import UTC, datetime

import streamlit as st

from segloop.accounts.roles import Role
from segloop.schemas import ApiKey
from ui.people_client import PeopleClient
from ui.views.here import Here
from ui.views.people.asking import attempt, change, done, permission_boxes, role_box, show_once, words
from ui.views.text import age, moment, plain

WIDTHS = [4, 4, 4, 4, 2]


def show(people: PeopleClient, here: Here, project: str | None) -> None:
    """Show the keys that are good, those that ended if wanted, and a way to make one."""
    found = people.keys(project)
    good = [key for key in found if _end(key) is None]
    of = plain(here.project.name) if project else "the installation"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Keys let other programs act in {of}: a PACS, a script, a gateway.", width="stretch")
        _add(people, here, project)
    if good:
        heads = ["Name", "Role and permissions", "Good until", "Used last", ""]
        for column, text in zip(st.columns(WIDTHS), heads, strict=True):
            column.caption(text)
    else:
        st.info("There is no key that is good now.")
    for key in good:
        _row(people, project, key)
    ended = [key for key in found if _end(key) is not None]
    if ended:
        with st.expander(f"Ended ({len(ended)})"):
            for key in ended:
                st.caption(f"{plain(key.name)}: {_end(key)}; last used {_used(key)}")


def _row(people: PeopleClient, project: str | None, key: ApiKey) -> None:
    name, role, until, used, action = st.columns(WIDTHS, vertical_alignment="center")
    name.markdown(
        f"**{plain(key.name)}**", help=f"Acts as {plain(key.acts_as)}; made by {plain(key.created_by)}"
    )
    parts = [key.role.capitalize() if key.role else "Site admin", words(key.permissions)]
    role.markdown(", ".join(filter(None, parts)))
    until.caption(moment(key.expires_at))
    used.caption(_used(key))
    with action.popover("Revoke", key=f"key-{key.id}", width="stretch"):
        st.caption("What uses it is refused at once, for good.")
        if st.button("Revoke this key", key=f"revoke-{key.id}", type="primary"):
            change(lambda: people.revoke_key(project, key.id), f"The key {key.name} is revoked.")


def _add(people: PeopleClient, here: Here, project: str | None) -> None:
    with st.popover("New key", key=f"add-key-{project}-{done()}", icon=":material/key:"):
        mark = f"{project}-{done()}"
        name = st.text_input(
            "Name",
            key=f"key-name-{mark}",
            placeholder="pacs",
            help="Small letters, digits and . _ - : what the key does is recorded under it.",
        ).strip()
        role = role_box(f"key-role-{mark}", Role.VIEWER) if project else None
        if role is None:
            st.caption(
                "It may do everything, as a site admin may. Give programs a project's key where that is enough."
            )
        given = permission_boxes(here, f"key-may-{mark}")
        days = int(st.number_input("Good for days", 1, 730, 90, key=f"key-days-{mark}"))
        if st.button("Make the key", key=f"key-make-{mark}", type="primary", disabled=not name):
            made = attempt(lambda: people.add_key(project, name, role, given, days))
            if made is not None:
                show_once(
                    f"The key **{plain(made.name)}**:",
                    made.key,
                    f"It is good until {moment(made.expires_at)}.",
                )


def _end(key: ApiKey) -> str | None:
    """Return in words how a key ended, or None while it is good."""
    if key.revoked_at is not None:
        return f"revoked {moment(key.revoked_at)}"
    return f"expired {moment(key.expires_at)}" if key.expires_at <= datetime.now(UTC) else None


def _used(key: ApiKey) -> str:
    return "never" if key.last_used_at is None else age(key.last_used_at)
