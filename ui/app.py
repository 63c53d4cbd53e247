"""The pages of Segloop."""

import streamlit as st

from segloop.settings import Settings
from ui.api_client import ApiClient, connect
from ui.views import jobs, segment, worklist


@st.cache_resource
def client() -> ApiClient:
    """Return the one client of this process."""
    settings = Settings.from_env()
    return connect(settings.api_url, settings.token)


def open_case(volume_id: str) -> None:
    """Go to a case."""
    st.switch_page(CASE, query_params={"volume": volume_id})


def open_worklist() -> None:
    """Go back to the worklist."""
    st.switch_page(WORKLIST)


st.set_page_config(page_title="Segloop", layout="wide")
# The viewer needs the room that Streamlit leaves empty above a page.
st.html("<style>.stMainBlockContainer { padding: 4.2rem 1.5rem 0.5rem }</style>")
WORKLIST = st.Page(lambda: worklist.page(client(), open_case), title="Worklist", default=True)
CASE = st.Page(lambda: segment.page(client(), open_case, open_worklist), title="Segment", url_path="segment")
JOBS = st.Page(lambda: jobs.page(client()), title="Jobs", url_path="jobs")
st.navigation([WORKLIST, CASE, JOBS], position="top").run()
