"""Drafts through the API: what is saved, what is refused and why, and what finalizing makes."""

import base64
import itertools
import json
import struct
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from segloop import schemas
from segloop.database import open_engine, transaction
from segloop.masks.drafts import entry as entries
from segloop.masks.drafts import start, table
from segloop.schemas import Mask
from segloop.settings import Settings
from services.api.main import create_app
from tests.integration.editing import Draft, chained, download, encode, in_ras, upload, upload_mask
from ui.api_client import ApiClient
from ui.views.masks import labels_of

AFFINE = np.array([[-2.0, 0, 0, 30], [0, -2.0, 0, 40], [0, 0, 3.0, -50], [0, 0, 0, 1]])
SHAPE = (9, 8, 7)
FRESH = itertools.count(1)
BOX = (slice(1, 4), slice(2, 5), slice(3, 4))


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


@pytest.fixture
def volume(http: TestClient) -> dict[str, Any]:
    array = np.random.default_rng(next(FRESH)).integers(-1000, 400, SHAPE).astype(np.int16)
    return upload(http, array, AFFINE)


@pytest.fixture
def base(http: TestClient, volume: dict[str, Any]) -> dict[str, Any]:
    array = np.zeros(SHAPE, np.uint8)
    array[1:5, 2:4, 1:3] = 4
    return upload_mask(http, volume, array, AFFINE)


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_one_person_has_one_open_draft_of_a_base_mask(
    http: TestClient, volume: dict[str, Any], base: dict[str, Any]
) -> None:
    first, again = Draft(http, volume["id"], base["id"]), Draft(http, volume["id"], base["id"])
    assert (first.status, again.status) == (201, 200)
    assert first.opened["id"] == again.opened["id"]
    assert first.opened["head"] == {"sequence": 0, "hash": "0" * 64}
    empty, same = Draft(http, volume["id"]), Draft(http, volume["id"])
    assert (empty.status, same.opened["id"]) == (201, empty.opened["id"])
    assert empty.opened["id"] != first.opened["id"]
    assert not empty.voxels.any() and first.voxels.sum() == 16 * 4
    listed = http.get(f"/v1/volumes/{volume['id']}/drafts").json()["items"]
    assert [item["id"] for item in listed] == [empty.opened["id"], first.opened["id"]]
    assert http.get(first.url).json()["state"] == "open"


def test_other_people_at_work_are_told_and_keep_their_own_draft(
    http: TestClient, settings: Settings, volume: dict[str, Any], base: dict[str, Any]
) -> None:
    engine = open_engine(settings.database_url)
    with transaction(engine) as conn:
        theirs, new = start.start(
            conn, volume_id=volume["id"], base_mask_id=base["id"], label_set_id=None, actor="dr-b"
        )
    mine = Draft(http, volume["id"], base["id"])
    assert new and mine.opened["id"] != theirs.id
    assert [(o["draft_id"], o["created_by"]) for o in mine.opened["others"]] == [(theirs.id, "dr-b")]
    mine.url = f"/v1/drafts/{theirs.id}"
    assert problem(mine.send(struct.pack("<IIHH", 0, 1, 0, 1))) == (403, "draft_not_yours")
    assert problem(mine.finalize()) == (403, "draft_not_yours")
    assert problem(http.post(f"{mine.url}/discard")) == (403, "draft_not_yours")
    engine.dispose()


def test_an_entry_is_stored_once_however_often_it_is_sent(http: TestClient, volume: dict[str, Any]) -> None:
    draft = Draft(http, volume["id"])
    body = struct.pack("<IIHH", 5, 3, 0, 2)
    url, request = draft.entry(body, "brush", 2)
    first, again = http.put(url, **request), http.put(url, **request)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() == {"sequence": 1, "hash": request["headers"]["X-Hash"]}
    other = draft.entry(struct.pack("<IIHH", 6, 3, 0, 2), "brush", 2)[1]
    refused = http.put(url, **other)
    assert problem(refused) == (409, "draft_conflict") and refused.json()["head"] == first.json()
    gap = http.put(f"{draft.url}/entries/3", **request)
    assert problem(gap) == (409, "draft_gap") and gap.json()["head"] == first.json()
    stale = http.put(f"{draft.url}/entries/2", **request)  # whose parent is not the head
    assert problem(stale) == (409, "draft_conflict")
    listed = http.get(f"{draft.url}/entries").json()
    assert listed["next_after"] is None
    (item,) = listed["items"]
    assert (item["sequence"], item["operation"], item["label"]) == (1, "brush", 2)
    assert base64.b64decode(item["body"]) == body
    assert item["hash"] == chained(item["parent_hash"], "brush", 2, body)


@pytest.mark.parametrize(
    ("body", "operation", "label"),
    [
        (b"12345", "brush", 1),
        (struct.pack("<IIHH", 0, 0, 0, 1), "brush", 1),
        (struct.pack("<IIHH", 9 * 8 * 7 - 1, 2, 0, 1), "brush", 1),
        (struct.pack("<IIHH", 2**32 - 1, 2**32 - 1, 0, 1), "brush", 1),
        (struct.pack("<IIHHIIHH", 5, 3, 0, 1, 7, 3, 0, 1), "brush", 1),
        (struct.pack("<IIHHIIHH", 9, 1, 0, 1, 3, 1, 0, 1), "brush", 1),
        (struct.pack("<IIHH", 0, 1, 1, 1), "brush", 1),
        (struct.pack("<IIHH", 0, 1, 0, 300), "brush", 1),
        (struct.pack("<IIHH", 0, 1, 300, 0), "erase", 0),
        (struct.pack("<IIHH", 0, 1, 0, 1), "brush", 300),
        (struct.pack("<IIHH", 0, 1, 0, 1), "spray", 1),
        (b"{", "review", 0),
        (b"[" * 200_000, "review", 0),
        (b'{"whole": true, "axial": [[0, 7]]}', "review", 0),
        (b'{"whole": true, "labels": [99]}', "review", 0),
        (b'{"whole": 1}', "review", 0),
    ],
)
def test_what_does_not_fit_the_draft_is_refused(
    http: TestClient, volume: dict[str, Any], body: bytes, operation: str, label: int
) -> None:
    draft = Draft(http, volume["id"])
    assert problem(draft.send(body, operation, label)) == (422, "entry_invalid")
    assert http.get(draft.url).json()["head"]["sequence"] == 0


def test_a_body_damaged_on_its_way_is_refused(http: TestClient, volume: dict[str, Any]) -> None:
    draft = Draft(http, volume["id"])
    url, request = draft.entry(struct.pack("<IIHH", 0, 1, 0, 1))
    request["content"] = struct.pack("<IIHH", 0, 2, 0, 1)
    assert problem(http.put(url, **request)) == (422, "entry_invalid")


def test_a_body_beyond_the_bound_is_refused(
    http: TestClient, volume: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.routes.draft_entries.MAX_BYTES", 24)
    draft = Draft(http, volume["id"])
    body = b"".join(struct.pack("<IIHH", 2 * n, 1, 0, 1) for n in range(3))
    assert problem(draft.send(body)) == (413, "entry_too_large")
    assert draft.send(body[:24]).status_code == 201


def test_a_large_body_lies_in_the_object_store_and_replays(
    http: TestClient, volume: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segloop.masks.drafts.append._MAX_ROW_BYTES", 40)
    draft = Draft(http, volume["id"])
    after = np.random.default_rng(3).integers(0, 4, draft.voxels.size).astype(np.uint8)
    assert draft.send(encode(draft.voxels, after), "fill", 3).status_code == 201
    store = http.app.state.parts.store  # type: ignore[attr-defined]
    assert len(list(store.list_(f"drafts/{draft.opened['id']}/entries/"))) == 1
    draft.load()
    assert np.array_equal(draft.voxels, after)
    (item,) = http.get(f"{draft.url}/entries").json()["items"]
    assert base64.b64decode(item["body"]) == encode(np.zeros_like(after), after)


def test_entries_come_in_pages(http: TestClient, volume: dict[str, Any]) -> None:
    draft = Draft(http, volume["id"])
    for n in range(5):
        assert draft.paint((slice(n, n + 1), slice(0, 1), slice(0, 1)), 1).status_code == 201
    seen, after = [], 0
    while after is not None:
        page = http.get(f"{draft.url}/entries", params={"after": after, "limit": 2}).json()
        seen += [item["sequence"] for item in page["items"]]
        after = page["next_after"]
    assert seen == [1, 2, 3, 4, 5]


def test_finalizing_makes_a_mask_with_its_parent_and_the_difference(
    http: TestClient, volume: dict[str, Any], base: dict[str, Any]
) -> None:
    draft = Draft(http, volume["id"], base["id"])
    was = draft.grid.copy()
    draft.paint(BOX, 2)
    draft.paint((slice(4, 6), slice(4, 6), slice(1, 2)), 0, "erase")
    region = {"whole": False, "axial": [[3, 4], [1, 1], [4, 5]], "labels": [4, 2]}
    assert draft.send(json.dumps(region).encode(), "review", 0).status_code == 201
    early = http.post(f"{draft.url}/finalize", json={"sequence": 1, "hash": draft.hash})
    assert problem(early) == (409, "draft_conflict") and early.json()["head"]["sequence"] == 3
    done = draft.finalize(active_time_s=12.5)
    assert done.status_code == 201, done.text
    mask = done.json()
    assert (mask["kind"], mask["parent_id"], mask["active_time_s"]) == ("correction", base["id"], 12.5)
    assert mask["reviewed"] == {
        "whole": False,
        "axial": [[1, 1], [3, 5]],
        "coronal": [],
        "sagittal": [],
        "labels": [2, 4],
    }
    image = download(http, mask["id"])
    assert image.shape == SHAPE and np.array_equal(image.affine, AFFINE)
    assert np.array_equal(in_ras(image), draft.grid)
    changes = {item["index"]: item for item in mask["difference"]}
    for label in (2, 4):
        a, b = was == label, draft.grid == label
        dice = 2 * (a & b).sum() / (a.sum() + b.sum())
        assert changes[label]["voxels_added"] == (b & ~a).sum()
        assert changes[label]["voxels_removed"] == (a & ~b).sum()
        assert changes[label]["dice"] == pytest.approx(dice)
    assert changes[1]["dice"] is None
    again = draft.finalize()
    assert (again.status_code, again.json()["id"]) == (200, mask["id"])
    assert http.get(draft.url).json()["state"] == "finalized"
    closed = draft.paint((slice(0, 1), slice(0, 1), slice(0, 1)), 1)
    assert problem(closed) == (409, "draft_closed") and closed.json()["mask_id"] == mask["id"]
    assert problem(http.post(f"{draft.url}/discard")) == (409, "draft_closed")
    assert Draft(http, volume["id"], base["id"]).status == 201  # the case can be taken up again


def test_going_on_with_a_correction_keeps_what_was_vouched_for_until_something_else_is_said(
    http: TestClient, volume: dict[str, Any], base: dict[str, Any]
) -> None:
    first = Draft(http, volume["id"], base["id"])
    first.paint(BOX, 2)
    assert http.get(f"{first.url}/changes").json()["reviewed"] is None
    first.send(json.dumps({"axial": [[1, 4]]}).encode(), "review", 0)
    mask = first.finalize().json()
    second = Draft(http, volume["id"], mask["id"])
    assert http.get(f"{second.url}/changes").json()["reviewed"] == mask["reviewed"]
    second.paint((slice(4, 6), slice(4, 6), slice(1, 2)), 0, "erase")
    again = second.finalize().json()
    assert again["reviewed"] == mask["reviewed"]
    third = Draft(http, volume["id"], again["id"])
    third.send(json.dumps({}).encode(), "review", 0)
    assert not third.finalize().json()["reviewed"]["axial"]


def test_ground_truth_stays_vouched_for_but_not_for_labels_that_came_later(
    http: TestClient, volume: dict[str, Any]
) -> None:
    values = np.zeros(SHAPE, np.uint8)
    values[2:5, 2:5, 1:3] = 1
    truth = upload(http, values, AFFINE, purpose="mask", volume_id=volume["id"], mask_kind="ground_truth")
    draft = Draft(http, volume["id"], truth["id"])
    assert http.get(f"{draft.url}/changes").json()["reviewed"]["whole"]
    http.post(f"{draft.url}/discard")
    label_sets = "/v1/projects/default/label-sets"
    known = http.get(label_sets).json()["items"][0]["labels"]
    later = http.post(label_sets, json={"labels": [*known, {"index": 9, "name": "thyroid"}]}).json()
    opened = http.post(
        f"/v1/volumes/{volume['id']}/drafts", json={"base_mask_id": truth["id"], "label_set_id": later["id"]}
    ).json()
    reviewed = http.get(f"/v1/drafts/{opened['id']}/changes").json()["reviewed"]
    assert reviewed["whole"] and reviewed["labels"] == [label["index"] for label in known]


def test_a_discarded_draft_takes_no_more_and_stays_on_record(
    http: TestClient, volume: dict[str, Any]
) -> None:
    draft = Draft(http, volume["id"])
    draft.paint(BOX, 2)
    assert [http.post(f"{draft.url}/discard").json()["state"] for _ in range(2)] == ["discarded"] * 2
    assert problem(draft.paint(BOX, 3)) == (409, "draft_closed")
    assert problem(draft.finalize()) == (409, "draft_closed")
    assert len(http.get(f"{draft.url}/entries").json()["items"]) == 1


def test_an_entry_that_does_not_fit_the_voxels_is_loud(
    http: TestClient, volume: dict[str, Any], base: dict[str, Any]
) -> None:
    draft = Draft(http, volume["id"], base["id"])
    assert draft.send(struct.pack("<IIHH", 0, 1, 3, 1)).status_code == 201  # there is no label 3 there
    broken = http.get(f"{draft.url}/levels/0")
    assert problem(broken) == (409, "draft_corrupt") and broken.json()["sequence"] == 1
    assert problem(draft.finalize()) == (409, "draft_corrupt")


def test_a_missing_or_altered_entry_is_loud(http: TestClient, volume: dict[str, Any], owner_url: str) -> None:
    draft = Draft(http, volume["id"])
    for n in range(3):
        draft.paint((slice(n, n + 1), slice(0, 1), slice(0, 1)), 1)
    engine = open_engine(owner_url)
    for change in ("SET label = 2", "SET body = (SELECT body FROM draft_entries LIMIT 1)"):
        with transaction(engine) as conn:
            conn.execute(text("CREATE TEMP TABLE kept AS SELECT * FROM draft_entries"))
            where = text(f"UPDATE draft_entries {change} WHERE draft_id = :id AND sequence = 2")
            conn.execute(where, {"id": draft.opened["id"]})
        broken = http.get(f"{draft.url}/levels/0")
        assert problem(broken) == (409, "draft_corrupt") and broken.json()["sequence"] == 2
        with transaction(engine) as conn:
            undo = "UPDATE draft_entries e SET label = k.label, body = k.body FROM kept k"
            conn.execute(text(f"{undo} WHERE e.draft_id = k.draft_id AND e.sequence = k.sequence"))
            conn.execute(text("DROP TABLE kept"))
        assert http.get(f"{draft.url}/levels/0").status_code == 200
    engine.dispose()


def test_a_later_label_set_may_be_asked_for_and_an_unrelated_mask_may_not(
    http: TestClient, volume: dict[str, Any], base: dict[str, Any]
) -> None:
    project = http.get(f"/v1/volumes/{volume['id']}").json()["project_id"]
    old = http.get(f"/v1/projects/{project}/label-sets").json()["items"][0]
    labels = [*old["labels"], {"index": 700, "name": f"new {next(FRESH)}"}]
    new = http.post(f"/v1/projects/{project}/label-sets", json={"labels": labels})
    assert new.status_code == 201, new.text
    url = f"/v1/volumes/{volume['id']}/drafts"
    asked = {"base_mask_id": base["id"], "label_set_id": new.json()["id"]}
    assert http.post(url, json=asked).json()["label_set_id"] == new.json()["id"]
    draft = Draft(http, volume["id"], base["id"])
    assert draft.dtype == "uint16"
    assert draft.paint(BOX, 700).status_code == 201
    mask = draft.finalize().json()
    assert np.array_equal(in_ras(download(http, mask["id"])), draft.grid)
    back = http.post(url, json={"base_mask_id": mask["id"], "label_set_id": old["id"]})
    assert problem(back) == (409, "label_set_changed")
    other = upload(http, np.random.default_rng(next(FRESH)).integers(-9, 99, SHAPE).astype(np.int16), AFFINE)
    foreign = http.post(f"/v1/volumes/{other['id']}/drafts", json={"base_mask_id": base["id"]})
    assert problem(foreign) == (404, "mask_unknown")


def test_the_page_offers_exactly_the_labels_that_a_draft_takes(
    http: TestClient, volume: dict[str, Any], base: dict[str, Any]
) -> None:
    api = ApiClient(http)  # type: ignore[arg-type]
    opened = api.open_draft(volume["id"], None)
    earlier = [label["index"] for label in labels_of(api, None, opened)]
    sets = f"/v1/projects/{opened.project_id}/label-sets"
    added = {"index": 900 + next(FRESH), "name": f"new {next(FRESH)}"}
    made = http.post(sets, json={"labels": [*http.get(sets).json()["items"][0]["labels"], added]}).json()
    # A draft keeps the label set that it was opened with, and would refuse a stroke of the new label for good.
    assert [label["index"] for label in labels_of(api, None, opened)] == earlier
    draft = Draft(http, volume["id"])
    stroke = struct.pack("<IIHH", 0, 1, 0, added["index"])
    assert problem(draft.send(stroke, "brush", 1)) == (422, "entry_invalid")
    wider = http.post(
        f"/v1/volumes/{volume['id']}/drafts", json={"base_mask_id": base["id"], "label_set_id": made["id"]}
    )
    mask = Mask.model_validate(http.get(f"/v1/masks/{base['id']}").json())
    offered = labels_of(api, mask, schemas.Draft.model_validate(wider.json()))
    assert added["index"] in [label["index"] for label in offered]
    assert added["index"] not in [label["index"] for label in labels_of(api, mask, None)]


def test_a_lost_viewer_copy_of_the_base_is_made_again(
    http: TestClient, volume: dict[str, Any], base: dict[str, Any]
) -> None:
    store = http.app.state.parts.store  # type: ignore[attr-defined]
    for found in list(store.list_("masks/")):
        if "/level-" in found.key:
            store.delete(found.key)
    draft = Draft(http, volume["id"], base["id"])
    assert np.array_equal(draft.grid, in_ras(download(http, base["id"])))


def test_the_application_role_cannot_change_entries_or_a_drafts_origin(settings: Settings) -> None:
    engine = open_engine(settings.database_url)
    for statement in (
        "UPDATE draft_entries SET label = 1",
        "DELETE FROM draft_entries",
        "DELETE FROM drafts",
        "UPDATE drafts SET base_mask_id = NULL",
        "UPDATE feedback SET notes = ''",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction(engine) as conn:
            conn.execute(text(statement))
    engine.dispose()


def test_every_step_is_on_record(http: TestClient, settings: Settings, volume: dict[str, Any]) -> None:
    draft = Draft(http, volume["id"])
    draft.paint(BOX, 1)
    draft.finalize()
    engine = open_engine(settings.database_url)
    with transaction(engine) as conn:
        query = text("SELECT action FROM audit_events WHERE object_id = :id ORDER BY id")
        actions = list(conn.execute(query, {"id": draft.opened["id"]}).scalars())
    engine.dispose()
    assert actions == ["draft.opened", "draft.read", "draft.entry_appended", "draft.finalized"]


def test_operations_are_those_of_the_editor() -> None:
    assert len(entries.OPERATIONS) == 15 and table.FIRST_PARENT == "0" * 64
