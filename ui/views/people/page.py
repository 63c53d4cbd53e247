"""The page as a whole: members and keys of the project for its admins, people and keys of the installation for site admins."""

import streamlit as st

from segloop.accounts.roles import Role
from segloop.errors import SegloopError
from ui.api_client import ApiClient
from ui.people_client import PeopleClient
from ui.views import here as place
from ui.views.here import Here
from ui.views.people import asking, keys, members, persons
from ui.views.text import explain, plain


def page(api: ApiClient, here: Here) -> None:
    """Show the page."""
    if not here.may(Role.ADMIN):
        st.info(
            f"Who may do what in {plain(here.project.name)} is for its admins. Ask one of them for a role."
        )
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("People", width="stretch")
        place.choose(here)
    asking.what_is_new()
    people = PeopleClient(api)
    names = ["Members", "API keys"]
    if here.is_site_admin:
        names += ["All people", "Site keys"]
    chosen = st.segmented_control(
        "Part", names, default=names[0], key="people_part", label_visibility="collapsed"
    )
    try:
        if chosen == "All people":
            persons.show(people, here)
        elif chosen == "Site keys":
            keys.show(people, here, None)
        elif chosen == "API keys":
            keys.show(people, here, here.project.slug)
        else:
            members.show(people, here)
    except SegloopError as error:
        st.error(explain(error))
