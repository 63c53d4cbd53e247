"""Names on the worklist: for who may see them, while they are not hidden, and asked for once."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ui.views.text import day, person


def _page(permissions: list[str], is_away: bool = False) -> None:
    import json

    import httpx
    import streamlit as st

    from tests import places
    from ui.api_client import ApiClient
    from ui.views import worklist

    case = {
        **dict.fromkeys(["mask_id", "mask_kind"]),
        "id": "v1",
        "project_id": "p",
        "patient_id": "x",
        "case_reference": "case 17",
        "pseudonym": "P-12AB",
        "sha256": "00",
        "size_bytes": 1,
        "shape": [4, 4, 4],
        "affine": [1.0] * 16,
        "spacing_mm": [1.0] * 3,
        "orientation": "RAS",
        "hu_min": -1000.0,
        "hu_max": 1000.0,
        "is_hu_like": True,
        "is_dicom": True,
        "notes": [],
        "created_by": "local",
        "created_at": "2026-11-24T09:50:00Z",
        "state": "new",
        "touched_at": "2026-11-24T09:50:00Z",
        "touched_by": "local",
        "has_draft": False,
        "n_other_drafts": 0,
    }
    carla = {
        "volume_id": "v1",
        "patient_name": "Canary^Carla",
        "patient_id": "PID-4711",
        "issuer": "",
        "birth_date": "19600102",
        "sex": "F",
        "study_date": "20261101",
        "accession": "ACC-9",
        "study_description": "CT *Neck*",
        "series_description": "",
    }
    calls = st.session_state.setdefault("calls", [])

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        body = json.loads(request.content) if request.content else None
        calls.append((path, body, str(request.url)))
        if path == "/v1/identities" and is_away:
            return httpx.Response(503, json={"code": "database_unavailable", "detail": "Try again."})
        if path == "/v1/identities":
            return httpx.Response(200, json={"items": [carla]})
        if path == "/v1/identities/search":
            found = ["v1"] if body["text"] == "canary" else []
            return httpx.Response(200, json={"volume_ids": found, "is_complete": True})
        if path.endswith("/worklist"):
            page = {"items": [case], "counts": {"new": 1}, "resumable": None, "next_cursor": None}
            return httpx.Response(200, json=page)
        return httpx.Response(200, json={"items": []})

    http = httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer))
    worklist.page(ApiClient(http), places.here(permissions=permissions), lambda volume_id: None)


def shown(permissions: list[str], *, is_away: bool = False) -> AppTest:
    return AppTest.from_function(_page, args=(permissions, is_away)).run(timeout=60)


def words(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(str(getattr(element, "proto", "")) for element in page)


def asked(page: AppTest, path: str) -> list[Any]:
    return [body for called, body, _ in page.session_state["calls"] if called == path]


def test_who_may_see_names_sees_them_and_is_recorded_once_however_often_the_page_runs() -> None:
    page = shown(["identity"])
    (row,) = [each.value for each in page.markdown if "case 17" in each.value]
    assert "**Canary, Carla**" in row and "born 1960-01-02 F" in row
    assert "CT of 2026-11-01" in row and "accession ACC-9" in row and r"CT \*Neck\*" in row
    page.run(timeout=60)
    page.run(timeout=60)
    assert asked(page, "/v1/identities") == [{"volume_ids": ["v1"]}]


def test_who_may_not_sees_the_pseudonym_and_no_trace_of_a_name() -> None:
    page = shown(["export"])
    assert "case 17" in words(page) and "12AB" in words(page)
    assert "Canary" not in words(page) and not page.toggle
    assert [box.label for box in page.text_input] == ["Search"]
    assert asked(page, "/v1/identities") == []


def test_hidden_names_leave_the_page_and_the_memory_until_they_are_wanted_again() -> None:
    page = shown(["identity"])
    page.toggle[0].set_value(True).run(timeout=60)
    assert "Canary" not in words(page) and "Find a patient" not in words(page)
    assert "identity_looks" not in page.session_state
    page.toggle[0].set_value(False).run(timeout=60)
    assert "Canary" in words(page) and len(asked(page, "/v1/identities")) == 2


def test_the_work_goes_on_by_case_references_while_the_identity_store_is_away() -> None:
    page = shown(["identity"], is_away=True)
    assert "case 17" in words(page) and [warning.value for warning in page.warning]
    assert any(button.label == "Open" for button in page.button)


def test_a_patient_is_found_without_a_name_in_any_address() -> None:
    page = shown(["identity"])
    box = next(box for box in page.text_input if box.label == "Patient")
    box.set_value("canary").run(timeout=60)
    page.run(timeout=60)
    assert asked(page, "/v1/identities/search") == [{"project": "default", "text": "canary"}]
    addresses = [address for _, _, address in page.session_state["calls"]]
    assert any("volume=v1" in address for address in addresses)
    assert not any("canary" in address for address in addresses)
    next(box for box in page.text_input if box.label == "Patient").set_value("nobody").run(timeout=60)
    assert "No CT of such a patient" in words(page) and "Canary" not in words(page)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Doe^Jane", "Doe, Jane"),
        ("Doe^Jane^M^Dr", "Doe, Jane M"),
        ("Doe", "Doe"),
        ("^Jane", "Jane"),
        ("=山田^太郎", "山田, 太郎"),
        ("", ""),
        ("^^^^", ""),
    ],
)
def test_a_dicom_name_as_a_person_reads_it(name: str, read: str) -> None:
    assert person(name) == read


def test_a_dicom_date_as_a_person_reads_it() -> None:
    assert (day("20261101"), day(""), day("2026.11.01"), day("19XX0101")) == (
        "2026-11-01",
        "",
        "2026.11.01",
        "19XX0101",
    )
