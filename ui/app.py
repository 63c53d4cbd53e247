"""The pages of Segloop."""

import streamlit as st

from segloop.settings import Settings
from ui.api_client import ApiClient, connect
from ui.views import jobs, segment


@st.cache_resource
def client() -> ApiClient:
    """Return the one client of this process."""
    settings = Settings.from_env()
    return connect(settings.api_url, settings.token)


st.set_page_config(page_title="Segloop", layout="wide")
# The viewer needs the room that Streamlit leaves empty above a page.
st.html("<style>.stMainBlockContainer { padding: 4.5rem 2rem 1rem }</style>")
st.navigation(
    [
        st.Page(lambda: segment.page(client()), title="Segment", default=True),
        st.Page(lambda: jobs.page(client()), title="Jobs", url_path="jobs"),
    ],
    position="top",
).run()
