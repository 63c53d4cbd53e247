"""The Streamlit pages and the small proxy that gives browser, pages and API one origin."""
