"""Feedback through the API: verdicts, what corrections cost, and statistics."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from segloop.database import open_engine, transaction
from segloop.errors import InvalidInput
from segloop.feedback import submit
from segloop.masks.drafts import start
from segloop.masks.drafts.finalize import finalize
from segloop.settings import Settings
from services.api.main import create_app
from tests.integration.editing import Draft, upload, upload_mask

AFFINE = np.array([[-2.0, 0, 0, 30], [0, -2.0, 0, 40], [0, 0, 3.0, -50], [0, 0, 0, 1]])
SHAPE = (9, 8, 7)
FRESH = itertools.count(1)


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


@pytest.fixture
def base(http: TestClient) -> dict[str, Any]:
    array = np.random.default_rng(next(FRESH)).integers(-1000, 400, SHAPE).astype(np.int16)
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:5, 2:4, 1:3] = 4
    return upload_mask(http, upload(http, array, AFFINE), mask, AFFINE)


def corrected(http: TestClient, base: dict[str, Any]) -> tuple[dict[str, Any], Draft]:
    draft = Draft(http, base["volume_id"], base["id"])
    draft.paint((slice(0, 4), slice(4, 6), slice(1, 2)), 2)
    draft.paint((slice(5, 8), slice(4, 6), slice(1, 2)), 0, "erase")
    region = {"whole": False, "axial": [[1, 2]]}
    draft.send(json.dumps(region).encode(), "review", 0)
    return draft.finalize(active_time_s=30).json(), draft


def give(http: TestClient, mask_id: str, key: str | None = None, **body: object) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return http.post(f"/v1/masks/{mask_id}/feedback", json=body, headers=headers)


def test_a_correction_says_what_it_cost(http: TestClient, base: dict[str, Any]) -> None:
    before = Draft(http, base["volume_id"], base["id"]).voxels
    first, _ = corrected(http, base)
    again = Draft(http, base["volume_id"], first["id"])  # a correction of the correction
    again.paint((slice(0, 1), slice(0, 1), slice(0, 4)), 3)
    second = again.finalize(active_time_s=5).json()
    answer = give(http, second["id"], verdict="corrected", rating=4, notes="better")
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["mask_id"], found["original_id"]) == (second["id"], base["id"])
    assert found["voxels_changed"] == (before != again.voxels).sum() > 4
    dices = []
    for label in range(1, 8):
        a, b = before == label, again.voxels == label
        if a.any() or b.any():
            dices.append(2 * (a & b).sum() / (a.sum() + b.sum()))
    assert found["dice"] == pytest.approx(np.mean(dices))
    # What was vouched for of the mask it began with stays vouched for.
    assert (found["active_time_s"], found["reviewed"]["axial"]) == (5, [[1, 2]])
    own = give(http, first["id"], verdict="corrected", active_time_s=44).json()
    assert (own["active_time_s"], own["reviewed"]["axial"]) == (44, [[1, 2]])
    listed = http.get(f"/v1/volumes/{base['volume_id']}/feedback").json()["items"]
    assert [item["id"] for item in listed] == [own["id"], found["id"]]


def test_the_corrected_mask_may_be_named_instead_of_its_correction(
    http: TestClient, base: dict[str, Any]
) -> None:
    early = give(http, base["id"], verdict="corrected")
    assert (early.status_code, early.json()["code"]) == (422, "correction_missing")
    mask, _ = corrected(http, base)
    found = give(http, base["id"], verdict="corrected").json()
    assert (found["mask_id"], found["original_id"]) == (mask["id"], base["id"])


def test_a_mask_drawn_from_nothing_is_compared_with_nothing(http: TestClient, base: dict[str, Any]) -> None:
    draft = Draft(http, base["volume_id"])
    draft.paint((slice(0, 2), slice(0, 2), slice(0, 2)), 1)
    found = give(http, draft.finalize().json()["id"], verdict="corrected").json()
    assert (found["voxels_changed"], found["dice"]) == (8, 0.0)


def test_accepting_and_rejecting_need_no_correction(http: TestClient, base: dict[str, Any]) -> None:
    region = {"whole": True, "labels": [4]}
    accepted = give(http, base["id"], verdict="accepted", reviewed=region, active_time_s=9).json()
    assert (accepted["voxels_changed"], accepted["dice"], accepted["active_time_s"]) == (0, 1.0, 9)
    assert (accepted["reviewed"]["whole"], accepted["reviewed"]["labels"]) == (True, [4])
    rejected = give(http, base["id"], verdict="rejected", reason="wrong body part").json()
    assert (rejected["voxels_changed"], rejected["dice"]) == (None, None)
    assert rejected["reason"] == "wrong body part"
    for wrong in ({"axial": [[0, 7]]}, {"labels": [99]}):
        answer = give(http, base["id"], verdict="accepted", reviewed=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "entry_invalid")
    for wrong in ({"verdict": "fine"}, {"verdict": "accepted", "rating": 6}):
        assert give(http, base["id"], **wrong).status_code == 422


def test_who_rejects_a_correction_vouches_for_nothing_of_it(http: TestClient, base: dict[str, Any]) -> None:
    mask, _ = corrected(http, base)
    assert mask["reviewed"]["axial"] == [[1, 2]]
    assert give(http, mask["id"], verdict="rejected").json()["reviewed"] is None
    said = give(http, mask["id"], verdict="rejected", reviewed={"axial": [[3, 3]]}).json()
    assert said["reviewed"]["axial"] == [[3, 3]]


def test_nobody_corrected_what_another_person_drew(
    http: TestClient, settings: Settings, base: dict[str, Any]
) -> None:
    theirs, _ = corrected(http, base)
    store = http.app.state.parts.store  # type: ignore[attr-defined]
    engine = open_engine(settings.database_url)

    def judge() -> Any:
        with transaction(engine) as conn:
            given = submit.Verdict("corrected")
            return submit.submit(
                conn,
                store,
                mask_id=theirs["id"],
                given=given,
                actor="dr-b",
                role="annotator",
                idempotency_key=None,
            )[0]

    with pytest.raises(InvalidInput, match="not corrected"):
        judge()
    with transaction(engine) as conn:
        draft, _ = start.start(
            conn, volume_id=base["volume_id"], base_mask_id=theirs["id"], label_set_id=None, actor="dr-b"
        )
    mask, _ = finalize(
        engine,
        store,
        draft.id,
        sequence=0,
        head_hash=draft.head_hash,
        active_time_s=7,
        actor="dr-b",
        role_in=lambda _: "annotator",
        scratch=settings.scratch,
    )
    found = judge()
    engine.dispose()
    assert (found.mask_id, found.active_time_s, found.original_id) == (mask.id, 7, base["id"])


def test_the_same_key_gives_the_same_feedback(http: TestClient, base: dict[str, Any]) -> None:
    first = give(http, base["id"], key=base["id"], verdict="accepted")
    again = give(http, base["id"], key=base["id"], verdict="accepted")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = give(http, base["id"], key=base["id"], verdict="rejected")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(http.get(f"/v1/volumes/{base['volume_id']}/feedback").json()["items"]) == 1


def test_statistics_count_by_verdict_annotator_label_and_age(
    http: TestClient, base: dict[str, Any], owner_url: str
) -> None:
    engine = open_engine(owner_url)
    with transaction(engine) as conn:
        conn.execute(text("DELETE FROM feedback"))
    empty = http.get("/v1/projects/default/feedback/statistics").json()
    assert (empty["overall"]["total"], empty["by_label"]) == (0, [])
    corrected(http, base)
    old = give(http, base["id"], verdict="rejected").json()
    give(http, base["id"], verdict="accepted", rating=5, active_time_s=10)
    change = give(http, base["id"], verdict="corrected").json()
    with transaction(engine) as conn:
        aged = (
            "UPDATE feedback SET created_at = now() - interval '20 days', created_by = 'dr-b' WHERE id = :id"
        )
        conn.execute(text(aged), {"id": old["id"]})
    engine.dispose()
    found = http.get("/v1/projects/default/feedback/statistics").json()
    overall = found["overall"]
    assert [overall[key] for key in ("total", "accepted", "corrected", "rejected")] == [3, 1, 1, 1]
    assert (overall["mean_active_time_s"], overall["mean_rating"]) == (20, 5)
    assert overall["mean_dice"] == pytest.approx((1 + change["dice"]) / 2)
    assert [(row["created_by"], row["total"]) for row in found["by_annotator"]] == [("dr-b", 1), ("local", 2)]
    assert [(row["days"], row["total"]) for row in found["by_age"]] == [(1, 2), (30, 1)]
    labels = {row["name"]: row for row in found["by_label"]}
    assert len(labels) == 7 and labels["spinal_cord"]["n_changed"] == 1
    assert labels["spinal_cord"]["voxels_changed"] == 8 and labels["mandible"]["n_changed"] == 0
