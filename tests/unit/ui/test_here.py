"""The project that pages work in: chosen among one's own, kept in the address, and none that is another's."""

import pytest
from streamlit.testing.v1 import AppTest


def _page(slugs: list[str], is_site_admin: bool = False) -> None:
    import httpx
    import streamlit as st

    from tests import places
    from ui.api_client import ApiClient
    from ui.views import here

    mine = [places.project(slug, slug).model_dump(mode="json") for slug in slugs]
    roles = [{"project_id": slug, "role": "viewer", "permissions": ["identity"]} for slug in slugs[:1]]
    me = {
        "name": "vera",
        "kind": "person",
        "is_site_admin": is_site_admin,
        "permissions": ["identity"],
        "projects": roles,
    }

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=me if request.url.path == "/v1/me" else {"items": mine})

    http = httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer))
    found = here.find(ApiClient(http))
    if found is not None:
        here.choose(found)
        st.text_input("Typed", key="typed")
        st.markdown(f"{found.project.slug} {found.role} {sorted(found.permissions)}")


def shown(slugs: list[str], *, is_site_admin: bool = False, address: str = "") -> AppTest:
    page = AppTest.from_function(_page, args=(slugs, is_site_admin))
    if address:
        page.query_params["project"] = address
    page.run(timeout=60)
    assert not page.exception
    return page


def test_one_project_is_no_choice_and_named() -> None:
    page = shown(["second"])
    assert page.markdown[0].value == "second viewer ['identity']"
    assert not page.selectbox and "project" not in page.query_params
    assert [caption.value for caption in page.caption] == ["Second"]


def test_another_project_is_chosen_kept_in_the_address_and_takes_nothing_along() -> None:
    page = shown(["second", "default"])
    assert page.markdown[0].value.startswith("default ")
    page.text_input[0].set_value("case of the first").run(timeout=60)
    page.selectbox[0].set_value("second").run(timeout=60)
    assert not page.exception
    assert page.markdown[0].value.startswith("second ")
    assert page.query_params["project"] == "second"
    assert page.text_input[0].value == ""


def test_a_kept_address_opens_its_project() -> None:
    assert shown(["default", "second"], address="second").markdown[0].value.startswith("second ")


@pytest.mark.parametrize("is_site_admin", [False, True])
def test_an_address_of_a_project_that_is_not_mine_shows_nothing_and_leads_back(is_site_admin: bool) -> None:
    page = shown(["default", "second"], is_site_admin=is_site_admin, address="third")
    assert "no project of this address" in page.error[0].value and not page.markdown
    page.button[0].click().run(timeout=60)
    assert page.markdown[0].value.startswith("default ")


def test_whoever_is_in_no_project_is_told_whom_to_ask() -> None:
    page = shown([])
    assert "vera" in page.info[0].value and "Ask an admin" in page.info[0].value and not page.markdown


def test_a_site_admin_has_every_role_and_their_permissions_everywhere() -> None:
    page = shown(["default", "second"], is_site_admin=True, address="second")
    assert page.markdown[0].value == "second admin ['identity']"


def _removed_at_an_open_page() -> None:
    import httpx
    import streamlit as st

    from segloop.errors import SegloopError
    from tests import places
    from ui.api_client import ApiClient
    from ui.views import here

    me = {"name": "vera", "kind": "person", "is_site_admin": False, "permissions": [], "projects": []}
    answers = {"/v1/me": me, "/v1/projects": {"items": []}}

    def answer(request: httpx.Request) -> httpx.Response:
        known = answers.get(request.url.path)
        gone = {"code": "project_unknown", "detail": "There is no such project."}
        return httpx.Response(404, json=gone) if known is None else httpx.Response(200, json=known)

    api = ApiClient(httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer)))
    is_first = st.session_state.setdefault("is_first", True)
    st.session_state["is_first"] = False
    found = places.here() if is_first else here.find(api)
    if found is not None:
        try:
            api.worklist(found.project.slug)
        except SegloopError as error:
            here.look_again(error)
            st.error(error.message)


def test_whoever_is_removed_while_a_page_is_open_is_told_whom_to_ask() -> None:
    page = AppTest.from_function(_removed_at_an_open_page).run(timeout=60)
    assert not page.exception and not page.error
    assert page.subheader[0].value == "No project yet" and "Ask an admin" in page.info[0].value
