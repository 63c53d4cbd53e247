"""The pages of Segloop."""

import streamlit as st

from segloop.settings import Settings
from ui.api_client import ApiClient, connect
from ui.views import audit, compare, jobs, segment, studies, worklist
from ui.views.models import page as models


@st.cache_resource
def client() -> ApiClient:
    """Return the one client of this process."""
    settings = Settings.from_env()
    return connect(settings.api_url, settings.token)


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
