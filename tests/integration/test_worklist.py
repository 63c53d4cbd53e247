"""The worklist: where each case stands, what is found, in which order, and its pictures."""

import io
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import text

from segloop.database import open_engine, transaction
from segloop.settings import Settings
from services.api.main import create_app
from tests.integration.editing import Draft, upload

AFFINE = np.array([[-2.0, 0, 0, 30], [0, -2.0, 0, 40], [0, 0, 3.0, -50], [0, 0, 0, 1]])
SHAPE = (9, 8, 30)
FRESH = itertools.count(1)
MASK = np.zeros(SHAPE, np.uint8)
MASK[1:5, 2:4, 1:3] = 4


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


def a_ct(http: TestClient) -> str:
    array = np.random.default_rng(1000 + next(FRESH)).integers(-1000, 400, SHAPE).astype(np.int16)
    return str(upload(http, array, AFFINE)["id"])


def worklist(http: TestClient, **query: Any) -> dict[str, Any]:
    answer = http.get("/v1/projects/default/worklist", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def case(http: TestClient, volume_id: str) -> dict[str, Any]:
    (found,) = [item for item in worklist(http, limit=200)["items"] if item["id"] == volume_id]
    return dict(found)


def test_a_case_goes_from_new_to_accepted(http: TestClient) -> None:
    volume_id = a_ct(http)
    assert case(http, volume_id)["state"] == "new"
    mask = upload(http, MASK, AFFINE, purpose="mask", volume_id=volume_id, mask_kind="imported")
    found = case(http, volume_id)
    assert (found["state"], found["mask_id"], found["mask_kind"]) == ("segmented", mask["id"], "imported")

    draft = Draft(http, volume_id, mask["id"])
    assert case(http, volume_id)["state"] == "segmented"  # a draft that nobody has drawn in is none
    draft.paint((slice(0, 4), slice(4, 6), slice(1, 2)), 2)
    found = case(http, volume_id)
    assert (found["state"], found["has_draft"], found["n_other_drafts"]) == ("in_review", True, 0)
    resumable = worklist(http)["resumable"]
    assert (resumable["id"], resumable["base_mask_id"]) == (volume_id, mask["id"])

    correction = draft.finalize().json()
    found = case(http, volume_id)
    assert (found["state"], found["mask_id"], found["has_draft"]) == ("corrected", correction["id"], False)
    for verdict in ("rejected", "accepted"):
        assert (
            http.post(f"/v1/masks/{correction['id']}/feedback", json={"verdict": verdict}).status_code == 201
        )
        assert case(http, volume_id)["state"] == verdict

    again = np.where(MASK == 4, 3, 0).astype(np.uint8)
    upload(http, again, AFFINE, purpose="mask", volume_id=volume_id, mask_kind="imported")
    assert case(http, volume_id)["state"] == "segmented"  # the verdict was about another mask


def test_a_running_and_a_failed_job_show_only_until_there_is_a_mask(
    http: TestClient, settings: Settings, owner_url: str
) -> None:
    volume_id = a_ct(http)
    engine = open_engine(owner_url)
    for state in ("queued", "failed"):
        with transaction(engine) as conn:
            conn.execute(
                text(
                    "INSERT INTO jobs (project_id, created_by, kind, queue, state, priority, volume_id) "
                    "SELECT project_id, 'somebody', 'segment', 'gpu', :state, 5, id FROM volumes WHERE id = :id"
                ),
                {"state": state, "id": volume_id},
            )
        expected = {"queued": "segmenting", "failed": "failed"}[state]
        assert case(http, volume_id)["state"] == expected
    upload(http, MASK, AFFINE, purpose="mask", volume_id=volume_id, mask_kind="ground_truth")
    assert case(http, volume_id)["state"] == "corrected"


def test_another_persons_draft_is_told(http: TestClient, owner_url: str) -> None:
    volume_id = a_ct(http)
    draft = Draft(http, volume_id)
    draft.paint((slice(0, 4), slice(4, 6), slice(1, 2)), 2)
    with transaction(open_engine(owner_url)) as conn:
        conn.execute(text("UPDATE drafts SET created_by = 'dr. b' WHERE volume_id = :id"), {"id": volume_id})
    found = case(http, volume_id)
    assert (found["state"], found["has_draft"], found["n_other_drafts"]) == ("in_review", False, 1)
    assert found["touched_by"] == "dr. b"
    resumable = worklist(http)["resumable"]
    assert resumable is None or resumable["id"] != volume_id


def test_cases_are_filtered_counted_and_paged_in_order(http: TestClient) -> None:
    ids = [a_ct(http) for _ in range(5)]
    upload(http, MASK, AFFINE, purpose="mask", volume_id=ids[1], mask_kind="imported")
    everything = worklist(http, limit=200)
    assert [item["id"] for item in everything["items"]][:2] == [ids[1], ids[4]]  # touched last, first
    for state in ("new", "segmented"):
        only = worklist(http, state=state, limit=200)
        assert {item["state"] for item in only["items"]} == {state}
        assert len(only["items"]) == everything["counts"][state] == only["counts"][state]
    both = worklist(http, state=["new", "segmented"], limit=200)
    assert len(both["items"]) == everything["counts"]["new"] + everything["counts"]["segmented"]

    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = worklist(http, limit=2, **cursor)
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [item["id"] for item in everything["items"]]
    assert http.get("/v1/projects/default/worklist", params={"state": "lost"}).status_code == 422


def test_a_search_takes_wildcards_as_letters(http: TestClient, owner_url: str) -> None:
    ids = [a_ct(http) for _ in range(3)]
    with transaction(open_engine(owner_url)) as conn:
        for volume_id, name in zip(ids, ("Larynx 50%_a", "larynx 501", "Neck"), strict=True):
            conn.execute(
                text("UPDATE volumes SET case_reference = :name WHERE id = :id"),
                {"name": name, "id": volume_id},
            )
    assert [item["id"] for item in worklist(http, search="LARYNX")["items"]] == [ids[1], ids[0]]
    assert [item["id"] for item in worklist(http, search="50%_")["items"]] == [ids[0]]
    assert worklist(http, search="50%_")["counts"] == {"new": 1}
    assert worklist(http, search="nobody")["items"] == []


def test_a_thumbnail_is_in_true_proportions_and_has_the_patients_right_on_the_left(http: TestClient) -> None:
    array = np.full(SHAPE, -1000, np.int16)
    array[:4, :, 20:] = (
        400  # this grid's x index grows to the patient's left, so this is the right; it is high up
    )
    volume_id = upload(http, array, AFFINE)["id"]
    answer = http.get(f"/v1/volumes/{volume_id}/thumbnail")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.height == 160
    assert picture.width == pytest.approx(160 * (9 * 2) / (30 * 3), abs=1)
    pixels = np.asarray(picture)
    assert pixels[5, 2] == 255  # top left
    assert (pixels[5, -2], pixels[-5, 2], pixels[-5, -2]) == (0, 0, 0)
    tag = {"If-None-Match": answer.headers["etag"]}
    assert http.get(f"/v1/volumes/{volume_id}/thumbnail", headers=tag).status_code == 304
    # A browser may keep it, but asks each time: who is removed, or the next person at it, sees nothing of it.
    for what in ("thumbnail", "content", "levels/0"):
        kept = http.get(f"/v1/volumes/{volume_id}/{what}").headers["cache-control"]
        assert kept == "private, no-cache", what
    unsigned = http.get(f"/v1/volumes/{volume_id}/thumbnail", headers={"Authorization": ""})
    assert unsigned.status_code == 401


@pytest.mark.parametrize("n_slices", [1, 3])
def test_a_flat_volume_has_a_thumbnail_too(http: TestClient, n_slices: int) -> None:
    array = np.random.default_rng(next(FRESH)).integers(-1000, 400, (16, 12, n_slices)).astype(np.int16)
    volume_id = upload(http, array, AFFINE)["id"]
    picture = Image.open(io.BytesIO(http.get(f"/v1/volumes/{volume_id}/thumbnail").content))
    assert picture.size == (160, 120)
