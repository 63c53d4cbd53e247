"""How masks are listed: Streamlit tells choices apart by their text alone."""

from datetime import UTC, datetime, timedelta

import httpx

from segloop.schemas import Mask
from ui.api_client import ApiClient
from ui.views.masks import names_of, shared_offset

NOW = datetime(2026, 11, 24, 9, 50, tzinfo=UTC)
API = ApiClient(httpx.Client())  # never asked: no mask here is by a model


def mask(number: int) -> Mask:
    values = {"kind": "imported", "model_version_id": None, "job_id": None, "created_by": "ann"}
    at = NOW + timedelta(seconds=number)
    return Mask.model_construct(id=f"01a20cf1-9f0d-7f63-8380-{number:012x}", created_at=at, **values)


def test_masks_made_alike_in_one_minute_have_names_of_their_own() -> None:
    names = names_of(API, [mask(number) for number in range(30)])
    assert len(set(names.values())) == 30


def test_a_name_stays_whatever_comes_or_goes_beside_it() -> None:
    alone = names_of(API, [mask(5)])
    among = names_of(API, [mask(number) for number in range(9)])
    assert alone.items() <= among.items()


def test_two_masks_share_an_offset_only_where_they_agree_on_it() -> None:
    assert (
        shared_offset(-1024.0, None)
        == shared_offset(None, -1024.0)
        == shared_offset(-1024.0, -1024.0)
        == -1024.0
    )
    assert shared_offset(-1024.0, 0.0) is None  # then values are shown as they are stored
    assert shared_offset(None, None) is None
