"""Everybody who can sign in to the installation, for site admins."""

from urllib.parse import urlsplit

import streamlit as st

from segloop.schemas import Person
from ui.people_client import PeopleClient
from ui.views.here import Here
from ui.views.people.asking import attempt, change, done, show_once
from ui.views.text import moment, plain

WIDTHS = [6, 3, 4, 4]
EMAIL = (
    "For sign-in at the hospital's identity provider, if there is one: the account of this address becomes the person's. "
    "Saving it signs them out, and the next sign-in binds the account anew."
)


def show(people: PeopleClient, here: Here) -> None:
    """Show everybody, and a way to add somebody."""
    found = people.people()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "Whoever is switched on can sign in; what they see is decided by their projects.", width="stretch"
        )
        _add(people)
    for person in found:
        _row(people, here, person)


def _row(people: PeopleClient, here: Here, person: Person) -> None:
    who, standing, made, actions = st.columns(WIDTHS, vertical_alignment="center")
    email = f"  \n:small[{plain(person.email)}]" if person.email else ""
    who.markdown(f"**{plain(person.name)}** {plain(person.display_name)}{email}")
    badges = [":violet-badge[site admin]"] if person.is_site_admin else []
    badges += [] if person.switched_off_at is None else [":gray-badge[switched off]"]
    standing.markdown(" ".join(badges))
    made.caption(f"added by {plain(person.created_by)}, {moment(person.created_at)}")
    with actions.container(horizontal=True, horizontal_alignment="right"):
        if person.switched_off_at is None and st.button("Sign-in link", key=f"link-{person.name}"):
            link = attempt(lambda: people.link(person.name))
            if link is not None:
                show_once(
                    f"This address signs **{plain(person.name)}** in, once. Whoever has it is them: send it by a way that only "
                    "they read.",
                    f"{_origin()}/?key={link.code}",
                    f"It opens until {moment(link.expires_at)}.",
                )
        with st.popover("Change", key=f"person-{person.name}-{done()}"):
            _changes(people, here, person)


def _changes(people: PeopleClient, here: Here, person: Person) -> None:
    name, is_on = person.name, person.switched_off_at is None
    st.caption("What they have open ends at once; they can sign in again.")
    if st.button("End all sessions", key=f"end-{name}"):
        change(lambda: people.end_sessions(name), f"{name} is signed out everywhere.")
    email = st.text_input("E-mail", person.email or "", key=f"email-{name}-{done()}", help=EMAIL).strip()
    if st.button("Save the e-mail", key=f"save-email-{name}", disabled=not email):
        change(lambda: people.change_person(name, email=email), f"{name} is found by {email}.")
    if name == here.person:
        st.caption(
            "Nobody switches themselves off or gives up the installation by mistake: another site admin can."
        )
        return
    st.caption("Who is switched off can't sign in. What they did stays, with their name.")
    if st.button("Switch off" if is_on else "Switch on", key=f"switch-{name}"):
        change(lambda: people.change_person(name, is_on=not is_on), f"{name} is {'off' if is_on else 'on'}.")
    st.caption("A site admin may do everything in every project.")
    if st.button("No site admin any more" if person.is_site_admin else "Make site admin", key=f"site-{name}"):
        change(
            lambda: people.change_person(name, is_site_admin=not person.is_site_admin),
            f"{name} is {'no ' if person.is_site_admin else ''}site admin.",
        )


def _add(people: PeopleClient) -> None:
    with st.popover("Add a person", key=f"add-person-{done()}", icon=":material/person_add:"):
        name = st.text_input(
            "Name",
            key=f"person-name-{done()}",
            placeholder="anna.moser",
            help="Stays for good, for all they do is under it: small letters, digits and . _ @ + -",
        ).strip()
        full = st.text_input("Full name", key=f"person-full-{done()}", placeholder="Dr. Anna Moser").strip()
        email = st.text_input("E-mail", key=f"person-email-{done()}", help=EMAIL).strip()
        if st.button("Add", key="add-person", type="primary", disabled=not name):
            change(
                lambda: people.add_person(name, full, email),
                f"{name} is added: make them a member, and a sign-in link.",
            )


def _origin() -> str:
    """Return the address at which this browser has the pages."""
    address = urlsplit(str(st.context.url))
    return f"{address.scheme}://{address.netloc}"
