"""The members of the project: who has which role and which permissions."""

import streamlit as st

from segloop.schemas import Member
from ui.people_client import PeopleClient
from ui.views.here import Here
from ui.views.people.asking import attempt, change, done, permission_boxes, role_box, words
from ui.views.text import moment, plain

WIDTHS = [5, 3, 3, 4, 2]


def show(people: PeopleClient, here: Here) -> None:
    """Show the members, and a way to add one."""
    found = people.members(here.project.slug)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{len(found)} member{'' if len(found) == 1 else 's'} of {plain(here.project.name)}. Site admins can do everything in "
            "every project and are not listed.",
            width="stretch",
        )
        _add(people, here, found)
    if found:
        for column, text in zip(
            st.columns(WIDTHS), ["Who", "Role", "Permissions", "Decided", ""], strict=True
        ):
            column.caption(text)
    for member in found:
        _row(people, here, member)


def _row(people: PeopleClient, here: Here, member: Member) -> None:
    who, role, permissions, decided, action = st.columns(WIDTHS, vertical_alignment="center")
    off = "" if member.is_on else " :gray-badge[switched off]"
    who.markdown(f"**{plain(member.name)}** {plain(member.display_name)}{off}")
    role.markdown(member.role.capitalize())
    permissions.markdown(words(member.permissions))
    decided.caption(f"by {plain(member.created_by)}, {moment(member.created_at)}")
    with action.popover("Change", key=f"member-{member.name}-{done()}", width="stretch"):
        key = f"{here.project.slug}-{member.name}-{done()}"
        chosen = role_box(f"role-{key}", member.role)
        given = permission_boxes(here, f"may-{key}", member.permissions)
        if st.button("Save", key=f"save-{key}", type="primary"):
            change(
                lambda: people.save_member(here.project.slug, member.name, chosen, given),
                f"{member.name} is {chosen}.",
            )
        if st.button("Remove from the project", key=f"remove-{key}"):
            change(
                lambda: people.remove_member(here.project.slug, member.name),
                f"{member.name} is no member any more.",
            )
        st.caption("It counts from their next click on.")


def _add(people: PeopleClient, here: Here, found: list[Member]) -> None:
    with st.popover("Add a member", key=f"add-member-{done()}", icon=":material/person_add:"):
        key = f"new-{here.project.slug}-{done()}"
        name = _name(people, here, found, key)
        role = role_box(f"role-{key}")
        given = permission_boxes(here, f"may-{key}")
        if st.button("Add", key=f"add-{key}", type="primary", disabled=not name):
            change(
                lambda: people.save_member(here.project.slug, str(name), role, given), f"{name} is {role}."
            )


def _name(people: PeopleClient, here: Here, found: list[Member], key: str) -> str | None:
    """Ask for the name of a person: site admins know everybody's, others must know it."""
    if not here.is_site_admin:
        typed = st.text_input("Name", key=f"name-{key}", help="As they sign in: a site admin knows it.")
        return typed.strip() or None
    members = {member.name for member in found}
    everybody = attempt(people.people) or []
    free = {
        one.name: one.display_name
        for one in everybody
        if one.switched_off_at is None and one.name not in members
    }
    return st.selectbox(
        "Name",
        list(free),
        index=None,
        format_func=lambda name: f"{name} ({free[name]})" if free[name] else name,
        key=f"name-{key}",
        placeholder="Choose a person" if free else "Everybody is a member; add people under All people",
    )
