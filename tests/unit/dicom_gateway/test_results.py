"""Objects of results as the API gives them: made once, and never sent from before without asking whether they still hold."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from segloop.errors import InvalidInput, Unavailable
from services.dicom_gateway.api import Api
from services.dicom_gateway.results import Made, Results
from services.dicom_gateway.spool import Spool

TAG, OTHER = "a" * 64, "b" * 64


def api_that(*answers: httpx.Response) -> tuple[Api, list[httpx.Request]]:
    """Return an API that gives these answers one after the other, and what it is asked."""
    api, asked, left = Api("http://api", "t"), list[httpx.Request](), list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return left.pop(0)

    api._http = httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer))
    return api, asked


@pytest.mark.parametrize("weak", ["", "W/"])
def test_what_is_known_is_asked_by_its_tag_and_taken_where_it_holds(weak: str) -> None:
    news = httpx.Response(200, content=b"object", headers={"ETag": f'{weak}"{TAG}"'})
    api, asked = api_that(news, httpx.Response(304))
    known = api.result("m", "seg")
    assert known == Made(TAG, b"object") and "if-none-match" not in asked[0].headers
    assert api.result("m", "seg", known=known) is known
    assert asked[1].headers["if-none-match"] == f'"{TAG}"'


def test_of_what_has_no_tag_nothing_is_known() -> None:
    api, asked = api_that(
        httpx.Response(200, content=b"1"), httpx.Response(200, content=b"2"), httpx.Response(304)
    )
    known = api.result("m", "seg")
    assert known == Made("", b"1")
    assert api.result("m", "seg", known=known).body == b"2" and "if-none-match" not in asked[1].headers
    with pytest.raises(InvalidInput):  # "as you know it" to somebody who did not ask
        api.result("m", "seg", known=known)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [(409, InvalidInput, "mask_rejected"), (502, Unavailable, "api_unavailable")],
)
def test_what_may_not_leave_now_is_not_taken_from_before(
    status: int, kind: type[Exception], code: str
) -> None:
    body = {"code": code} if status == 409 else None
    api, _ = api_that(httpx.Response(status, json=body))
    with pytest.raises(kind) as error:
        api.result("m", "seg", known=Made(TAG, b"object"))
    assert getattr(error.value, "code", "") == code


def test_one_object_is_kept_under_a_name_with_its_own_tag(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.store("A", "1.2", "1.2.3", b"one")
    (entry,) = spool.entries()
    results = Results(spool)
    assert results.kept(entry, "m-seg") is None
    results.keep(entry, "m-seg", Made(TAG, b"before"))
    results.keep(entry, "m-seg-deflated", Made(TAG, b"packed"))
    results.keep(entry, "m-seg", Made(OTHER, b"after"))
    assert results.kept(entry, "m-seg") == Made(OTHER, b"after")
    assert results.kept(entry, "m-seg-deflated") == Made(TAG, b"packed")
    results.keep(entry, "m-seg", Made("", b"untold"))
    assert results.kept(entry, "m-seg") == Made("", b"untold")

    results.drop(replace(entry, stage="done"))
    assert not list(tmp_path.rglob("*m-seg*"))
