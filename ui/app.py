"""The pages of Segloop."""

from typing import Literal

import streamlit as st

from segloop.accounts.roles import Role
from segloop.errors import SegloopError
from segloop.settings import Settings
from ui.api_client import ApiClient, connect
from ui.cookies import Cookies
from ui.views import account, audit, compare, here, jobs, segment, studies, worklist
from ui.views.models import page as models
from ui.views.people import page as people
from ui.views.text import explain


@st.cache_resource(max_entries=200)
def _client_of(api_url: str, session: str) -> ApiClient:
    return connect(api_url, session)


def client() -> ApiClient:
    """Return the client that acts as the person whose browser this is."""
    settings = Settings.from_env()
    session = Cookies.of(settings).session(st.context.cookies)
    return _client_of(settings.api_url, "" if session is None else session.key)


def require_project() -> here.Here:
    """Return where the person works; show nothing else to whoever works nowhere, was signed out or switched off."""
    try:
        found = here.find(client())
    except SegloopError as error:
        if error.code == "unauthorized":
            account.signed_out(has_provider=bool(Settings.from_env().oidc_issuer))
        else:
            st.error(explain(error))
        st.stop()
    if found is None:
        st.stop()
    return found


def open_case(volume_id: str) -> None:
    """Go to a case."""
    st.switch_page(CASE, query_params={"volume": volume_id})


def open_compare(volume_id: str) -> None:
    """Go to the comparison of a case's masks."""
    st.switch_page(COMPARE, query_params={"volume": volume_id})


def open_worklist() -> None:
    """Go back to the worklist."""
    st.switch_page(WORKLIST)


st.set_page_config(page_title="Segloop", layout="wide")
# The viewer needs the room that Streamlit leaves empty above a page.
st.html("<style>.stMainBlockContainer { padding: 4.2rem 1.5rem 0.5rem }</style>")
account.corner(client())
HERE = require_project()
WORKLIST = st.Page(lambda: worklist.page(client(), HERE, open_case), title="Worklist", default=True)
CASE = st.Page(
    lambda: segment.page(client(), HERE, segment.Ways(open_case, open_compare, open_worklist)),
    title="Segment",
    url_path="segment",
)
COMPARE = st.Page(lambda: compare.page(client(), HERE, open_case), title="Compare", url_path="compare")
MODELS = st.Page(lambda: models.page(client(), HERE), title="Models & training", url_path="models")
STUDIES = st.Page(lambda: studies.page(client(), HERE, open_case), title="Studies", url_path="studies")
JOBS = st.Page(lambda: jobs.page(client(), HERE), title="Jobs", url_path="jobs")
# Whoever types the address of what isn't theirs is told whose it is.
FOR_ADMINS: Literal["visible", "hidden"] = "visible" if HERE.may(Role.ADMIN) else "hidden"
PEOPLE = st.Page(
    lambda: people.page(client(), HERE), title="People", url_path="people", visibility=FOR_ADMINS
)
AUDIT = st.Page(lambda: audit.page(client(), HERE), title="Audit", url_path="audit", visibility=FOR_ADMINS)
st.navigation([WORKLIST, CASE, COMPARE, MODELS, STUDIES, JOBS, PEOPLE, AUDIT], position="top").run()
