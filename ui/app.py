"""The pages of Segloop."""

import streamlit as st

from segloop.errors import SegloopError
from segloop.settings import Settings
from ui.api_client import ApiClient, connect
from ui.sign_in import COOKIE, unseal
from ui.views import audit, compare, jobs, segment, studies, worklist
from ui.views.models import page as models


@st.cache_resource(max_entries=200)
def _client_of(api_url: str, session: str) -> ApiClient:
    return connect(api_url, session)


def client() -> ApiClient:
    """Return the client that acts as the person whose browser this is."""
    settings = Settings.from_env()
    session = unseal(st.context.cookies.get(COOKIE, ""), settings.ticket_key)
    return _client_of(settings.api_url, session or "")


def require_signed_in() -> None:
    """Show nothing to whoever was signed out or switched off while the page was open."""
    try:
        client().me()
    except SegloopError as error:
        if error.code != "unauthorized":
            return  # the page itself says what is wrong
        st.error(
            "You are signed out. Open a fresh link; on the machine that runs Segloop: ./segloop admin link"
        )
        st.stop()


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
require_signed_in()
# The viewer needs the room that Streamlit leaves empty above a page.
st.html("<style>.stMainBlockContainer { padding: 4.2rem 1.5rem 0.5rem }</style>")
WORKLIST = st.Page(lambda: worklist.page(client(), open_case), title="Worklist", default=True)
CASE = st.Page(
    lambda: segment.page(client(), segment.Ways(open_case, open_compare, open_worklist)),
    title="Segment",
    url_path="segment",
)
COMPARE = st.Page(lambda: compare.page(client(), open_case), title="Compare", url_path="compare")
MODELS = st.Page(lambda: models.page(client()), title="Models & training", url_path="models")
STUDIES = st.Page(lambda: studies.page(client(), open_case), title="Studies", url_path="studies")
AUDIT = st.Page(lambda: audit.page(client()), title="Audit", url_path="audit")
JOBS = st.Page(lambda: jobs.page(client()), title="Jobs", url_path="jobs")
st.navigation([WORKLIST, CASE, COMPARE, MODELS, STUDIES, JOBS, AUDIT], position="top").run()
