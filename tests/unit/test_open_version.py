"""From a finished run to its version's comparison, whatever was looked at before."""

from streamlit.testing.v1 import AppTest


def _page() -> None:
    import streamlit as st

    from ui.views.models.run import _open_version

    training, versions = st.tabs(["Training", "Versions"], key="models_tab", on_change="rerun")
    if training.open:
        training.button("See", on_click=_open_version, args=("two",))
    if versions.open:
        versions.selectbox("Version", ["one", "two"], key="version_chosen")


def test_the_button_of_a_finished_run_opens_its_version() -> None:
    shown = AppTest.from_function(_page).run(timeout=30)
    shown.button[0].click().run(timeout=30)
    assert not shown.exception
    assert [box.value for box in shown.selectbox] == ["two"]
