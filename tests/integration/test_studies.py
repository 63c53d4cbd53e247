"""What gateways report and are asked: kept whole, sealed where it names somebody, and handed out once."""

import json
import runpy
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from fastapi.testclient import TestClient
from sqlalchemy import text

from segloop.database import open_engine, transaction
from segloop.settings import Settings
from services.api.main import create_app
from services.api.sweep import sweep
from tests.conftest import ROOT
from tests.dicom_series import voxels
from tests.integration.editing import upload, upload_mask

AET = "SEGLOOP"
IDENTITY = {
    "patient_name": "Planted^Name",
    "patient_id": "PLANTED-ID",
    "study_date": "20261101",
    "study_uid": "1.2.3.4711",
    "series_uid": "1.2.3.4711.5",
}
STATE = {
    "version": "1",
    "aet": AET,
    "host": "127.0.0.1",
    "port": 11112,
    "destinations": [{"name": "pacs", "kind": "c-store", "forms": ["seg", "pdf"]}],
    "sources": [{"name": "archive", "kind": "dicomweb"}],
    "rules": [
        {
            "name": "all",
            "project": "default",
            "priority": "routine",
            "destinations": ["pacs"],
            "conditions": {"study_description": "(?i)neck|head", "fewest_slices": "20"},
        }
    ],
}


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        assert client.put(f"/v1/gateways/{AET}", json=STATE).status_code == 204
        yield client


def report(http: TestClient, key: str, **changes: Any) -> None:
    body = {
        "route": "c-store",
        "sender": "CT1",
        "stage": "receiving",
        "n_instances": 3,
        "received_at": "2026-11-30T10:00:00Z",
        "identity": IDENTITY,
    }
    answer = http.put(f"/v1/gateways/{AET}/series/{key}", json=body | changes)
    assert answer.status_code == 204, answer.text


def listed(http: TestClient, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/v1/received-series", params=query).json()
    return found


def claim(http: TestClient, aet: str = AET) -> Any:
    answer = http.post(f"/v1/gateways/{aet}/orders/claim")
    return answer.json() if answer.status_code == 200 else None


def end(http: TestClient, order: dict[str, Any], state: str = "done", **values: Any) -> None:
    answer = http.post(f"/v1/gateways/{AET}/orders/{order['id']}/result", json={"state": state, **values})
    assert answer.status_code == 204, answer.text


def test_a_series_is_shown_as_it_was_reported_last(http: TestClient) -> None:
    report(http, "k1-0")
    report(http, "k1-0", stage="failed", code="dicom_missing_slices", message="Send it whole.", rule="all")
    report(http, "k2-0", received_at="2026-11-30T11:00:00Z", project="default")
    found = listed(http)
    assert [one["stage"] for one in found["items"]] == ["receiving", "failed"]
    assert found["items"][1]["code"] == "dicom_missing_slices"
    assert found["items"][0]["study_key"] == found["items"][1]["study_key"] != ""
    assert found["counts"] == {"receiving": 1, "failed": 1}
    assert len(listed(http, stage="failed")["items"]) == 1
    # What belongs to no project is shown in every one: somebody has to see it.
    assert len(listed(http, project="default")["items"]) == 2


def test_no_name_and_no_uid_is_in_a_row_and_the_identity_store_has_them(
    http: TestClient, settings: Settings, owner_url: str
) -> None:
    report(http, "k3-0", stage="failed", code="dicom_not_ct")
    http.post(f"/v1/gateways/{AET}/test", json={"name": "PLANTED-PEER"})
    engine = open_engine(owner_url)
    with transaction(engine) as conn:
        rows = [
            str(row)
            for name in ("received_series", "gateway_orders", "gateways", "audit_events", "identity.texts")
            for row in conn.execute(text(f"SELECT * FROM {name}"))
        ]
        (source_key,) = conn.execute(
            text("SELECT source_key FROM received_series WHERE key = 'k3-0'")
        ).scalars()
    engine.dispose()
    end(http, claim(http))
    assert not [row for row in rows for planted in ("lanted", "PLANTED", "4711") if planted in row]
    identities = http.app.state.parts.identities  # type: ignore[attr-defined]
    assert identities.identities([source_key])[source_key].patient_name == "Planted^Name"


def test_an_order_goes_out_once_and_comes_back_with_its_result(http: TestClient) -> None:
    placed = http.post(f"/v1/gateways/{AET}/test", json={"name": "pacs"}).json()
    given: list[Any] = []
    together = [threading.Thread(target=lambda: given.append(claim(http))) for _ in range(4)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    (order,) = [one for one in given if one is not None]
    assert order == {"id": placed["id"], "kind": "echo", "payload": {"name": "pacs"}}
    end(http, order, result={"ok": True, "seconds": 0.1})
    end(http, order, "failed", code="late")  # a repeat changes nothing
    found = http.get(f"/v1/gateway-orders/{order['id']}").json()
    assert (found["state"], found["code"], found["result"]["ok"]) == ("done", "", True)
    assert claim(http) is None


def test_orders_to_pull_and_others_can_be_asked_for_apart(http: TestClient) -> None:
    http.post(f"/v1/gateways/{AET}/test", json={"name": "pacs"})
    address = f"/v1/gateways/{AET}/orders/claim"
    assert http.post(address, params={"pulls": True}).status_code == 204
    order = http.post(address, params={"pulls": False}).json()
    assert order["kind"] == "echo"
    end(http, order)


def test_a_forgotten_order_is_given_out_again(http: TestClient, owner_url: str) -> None:
    http.post(f"/v1/gateways/{AET}/test", json={"name": "pacs"})
    first = claim(http)
    assert claim(http) is None
    engine = open_engine(owner_url)
    with transaction(engine) as conn:
        conn.execute(text("UPDATE gateway_orders SET claimed_at = claimed_at - interval '11 minutes'"))
    engine.dispose()
    assert claim(http)["id"] == first["id"]
    end(http, first)


def test_a_waiting_gateway_hears_of_an_order_at_once(http: TestClient) -> None:
    heard: list[Any] = []
    waiting = threading.Thread(
        target=lambda: heard.append(http.post(f"/v1/gateways/{AET}/orders/claim", params={"wait": 20}))
    )
    waiting.start()
    http.post(f"/v1/gateways/{AET}/test", json={"name": "archive"})
    waiting.join(15)
    assert not waiting.is_alive()
    assert heard[0].json()["payload"] == {"name": "archive"}
    end(http, heard[0].json())


def test_routing_and_sending_again_are_asked_for_once_and_only_where_they_make_sense(
    http: TestClient,
) -> None:
    report(http, "k4-0", stage="failed", code="no_rule", received_at="2026-11-30T12:00:00Z")
    (series,) = [one for one in listed(http)["items"] if one["code"] == "no_rule"]
    path = f"/v1/received-series/{series['id']}"
    refused = http.post(f"{path}/redeliver", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_deliver")
    first = http.post(f"{path}/route", json={"priority": "stat"}).json()
    assert http.post(f"{path}/route", json={"priority": "stat"}).json()["id"] == first["id"]
    order = claim(http)
    assert order["payload"] == {
        "series": "k4-0",
        "project": "default",
        "priority": "stat",
        "destinations": None,
    }
    end(http, order)
    report(http, "k4-0", stage="segmenting", received_at="2026-11-30T12:00:00Z")
    refused = http.post(f"{path}/route", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "series_under_way")


def test_what_nobody_knows_is_refused(http: TestClient) -> None:
    assert http.put("/v1/gateways/OTHER", json=STATE).json()["code"] == "aet_differs"
    nobody = http.put(
        "/v1/gateways/NOBODY/series/k",
        json={
            "route": "c-store",
            "sender": "x",
            "stage": "done",
            "n_instances": 1,
            "received_at": "2026-11-30T10:00:00Z",
        },
    )
    assert (nobody.status_code, nobody.json()["code"]) == (404, "gateway_unknown")
    assert http.get("/v1/gateways").json()["items"][0]["is_away"] is False


def test_whose_series_it_is_is_told_with_the_permission_only_and_each_look_is_recorded(
    http: TestClient, settings: Settings, owner_url: str
) -> None:
    report(http, "k5-0", stage="failed", code="told", received_at="2026-11-30T13:00:00Z")
    (series,) = [one for one in listed(http)["items"] if one["code"] == "told"]
    query = {"received_series_ids": [series["id"]]}
    answer = http.post("/v1/received-series/identities", json=query)
    assert answer.headers["cache-control"] == "no-store"
    (told,) = answer.json()["items"]
    assert (told["received_series_id"], told["patient_name"]) == (series["id"], "Planted^Name")
    looks = text("SELECT count(*) FROM audit_events WHERE action = 'identity.viewed' AND object_id = :id")
    engine = open_engine(owner_url)
    with transaction(engine) as conn:
        assert conn.execute(looks, {"id": series["id"]}).scalar_one() == 1
    engine.dispose()
    app = create_app(replace(settings, token_permissions="export"))
    with TestClient(app, headers={"Authorization": f"Bearer {settings.token}"}) as other:
        refused = other.post("/v1/received-series/identities", json=query)
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_missing")


def test_a_member_with_the_permission_sees_whose_a_pushed_series_is(http: TestClient, owner_url: str) -> None:
    common: dict[str, Any] = {"received_at": "2026-11-30T13:30:00Z"}
    report(http, "k10-0", stage="receiving", **common)  # nobody knows its project yet
    for stage in ("closed", "uploaded", "segmenting"):
        report(http, "k10-0", stage=stage, project="default", **common)

    def told_to(name: str, permissions: list[str]) -> list[str]:
        assert http.post("/v1/people", json={"name": name}).status_code == 201
        body = {"role": "viewer", "permissions": permissions}
        assert http.put(f"/v1/projects/default/members/{name}", json=body).status_code == 200
        code = http.post(f"/v1/people/{name}/links").json()["code"]
        session = http.post("/v1/sessions", json={"code": code}, headers={"Authorization": ""}).json()
        member = {"Authorization": f"Bearer {session['key']}"}
        assert http.get("/v1/me", headers=member).json()["is_site_admin"] is False
        found = http.get("/v1/received-series", headers=member).json()["items"]
        (series,) = [one for one in found if one["received_at"].startswith("2026-11-30T13:30")]
        query = {"received_series_ids": [series["id"]]}
        answer = http.post("/v1/received-series/identities", json=query, headers=member)
        return [one["patient_name"] for one in answer.json().get("items", [])]

    assert told_to("seeing", ["identity"]) == ["Planted^Name"]
    assert told_to("blind", []) == []
    # It is sealed anew for its project once, and what was kept for none is swept.
    engine = open_engine(owner_url)
    with transaction(engine) as conn:
        conn.execute(text("UPDATE identity.texts SET created_at = created_at - interval '3 days'"))
    sweep(http.app.state.parts)  # type: ignore[attr-defined]
    kept = text(
        "SELECT t.project_id IS NULL FROM identity.texts t WHERE source_key NOT IN "
        "(SELECT source_key FROM received_series WHERE source_key IS NOT NULL)"
    )
    with transaction(engine) as conn:
        assert conn.execute(kept).all() == []
    engine.dispose()
    assert told_to("seeing-later", ["identity"]) == ["Planted^Name"]


def test_whose_a_series_is_that_was_kept_for_no_project_goes_to_its_project(
    http: TestClient, owner_url: str
) -> None:
    report(http, "k11-0", project="default", received_at="2026-11-30T13:40:00Z")
    of_series = "source_key = (SELECT source_key FROM received_series WHERE key = 'k11-0')"
    migration = runpy.run_path(str(ROOT / "migrations/versions/0023_identity_projects.py"))
    engine = open_engine(owner_url)
    with transaction(engine) as conn:
        conn.execute(text(f"UPDATE identity.texts SET project_id = NULL WHERE {of_series}"))
        with Operations.context(MigrationContext.configure(conn)):
            migration["upgrade"]()
        found = conn.execute(text(f"SELECT project_id FROM identity.texts WHERE {of_series}")).scalar_one()
        project = conn.execute(text("SELECT id FROM projects WHERE slug = 'default'")).scalar_one()
    assert found == project
    engine.dispose()


def test_a_delivery_that_failed_for_good_is_told_once(http: TestClient, owner_url: str) -> None:
    waiting = {"destination": "pacs", "form": "seg", "state": "waiting", "code": "destination_unavailable"}
    failed = waiting | {"state": "failed", "code": "destination_refuses", "message": "pacs refused it."}
    common: dict[str, Any] = {"project": "default", "received_at": "2026-11-30T14:00:00Z"}
    engine = open_engine(owner_url)
    with transaction(engine) as conn:
        conn.execute(
            text(
                "INSERT INTO webhooks (project_id, created_by, url, events, secret) "
                "SELECT id, 't', 'https://hooks.example.org/', '{delivery.failed}', '' FROM projects WHERE slug = 'default'"
            )
        )
    report(http, "k6-0", stage="delivering", deliveries=[waiting], **common)
    report(http, "k6-0", stage="failed", deliveries=[failed], **common)
    report(http, "k6-0", stage="failed", deliveries=[failed], **common)
    with transaction(engine) as conn:
        (body,) = conn.execute(text("SELECT body FROM webhook_deliveries")).scalars()
    engine.dispose()
    told = json.loads(body)
    assert told["type"] == "delivery.failed"
    assert (told["data"]["destination"], told["data"]["form"]) == ("pacs", "seg")
    assert told["data"]["error_code"] == "destination_refuses"
    assert "Planted" not in body and "4711" not in body


def test_the_newest_order_about_a_series_is_told_with_it(http: TestClient) -> None:
    report(http, "k7-0", stage="failed", code="no_rule", received_at="2026-11-30T15:00:00Z")
    series = listed(http)["items"][0]
    for priority in ("routine", "stat", "stat"):
        http.post(f"/v1/received-series/{series['id']}/route", json={"priority": priority})
    first, second = claim(http), claim(http)
    assert claim(http) is None  # the third asked for the same as the second
    end(http, first)
    end(http, second, "failed", code="series_forgotten", message="Send it again.")
    told = listed(http)["items"][0]["order"]
    assert (told["kind"], told["state"], told["code"]) == ("route", "failed", "series_forgotten")


def test_whose_a_refused_series_was_is_forgotten_after_a_week(
    http: TestClient, settings: Settings, owner_url: str
) -> None:
    for key, stage in (("k8-0", "ignored"), ("k9-0", "delivering")):
        report(http, key, stage=stage, received_at="2026-11-30T17:00:00Z")
    engine = open_engine(owner_url)
    with transaction(engine) as conn:
        conn.execute(
            text(
                "UPDATE received_series SET reported_at = reported_at - interval '8 days' WHERE key IN ('k8-0', 'k9-0')"
            )
        )
    sweep(http.app.state.parts)  # type: ignore[attr-defined]
    with transaction(engine) as conn:
        kept = dict(
            conn.execute(
                text("SELECT key, source_key IS NOT NULL FROM received_series WHERE key IN ('k8-0', 'k9-0')")
            )
            .tuples()
            .all()
        )
    engine.dispose()
    assert kept == {"k8-0": False, "k9-0": True}


def test_which_mask_went_where_is_told_and_recorded_once(http: TestClient, owner_url: str) -> None:
    volume = upload(http, voxels(seed=88), np.diag([2.0, 2.0, 3.0, 1.0]))
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[1, 1, 1] = 3
    mask = upload_mask(http, volume, drawn, np.diag([2.0, 2.0, 3.0, 1.0]))
    waiting = {"destination": "pacs", "form": "seg", "state": "waiting"}
    sent = waiting | {"state": "verified", "mask_id": mask["id"], "ended_at": "2026-11-30T10:20:00Z"}
    common = {"project": "default", "volume_id": volume["id"], "mask_id": mask["id"]}
    for stage, delivery in [("delivering", waiting), ("done", sent), ("done", sent)]:
        report(http, "masks-0", stage=stage, deliveries=[delivery], **common)
    (found,) = listed(http, volume_id=volume["id"])["items"]
    (made,) = found["delivered_masks"]
    assert (made["id"], made["kind"], made["model"], made["created_by"]) == (
        mask["id"],
        "imported",
        None,
        "local",
    )
    assert found["deliveries"][0]["ended_at"] == "2026-11-30T10:20:00Z"
    events = _events(owner_url, found["id"])
    assert [one["state"] for one in events] == ["verified"]
    assert (events[0]["destination"], events[0]["form"], events[0]["mask_id"]) == ("pacs", "seg", mask["id"])

    # A later one there is another event, and so is a failure.
    later = sent | {"ended_at": "2026-11-30T11:00:00Z"}
    failed = waiting | {
        "destination": "vna",
        "state": "failed",
        "code": "destination_refuses",
        "mask_id": mask["id"],
    }
    report(http, "masks-0", stage="failed", deliveries=[later, failed], **common)
    assert [(one["destination"], one["state"]) for one in _events(owner_url, found["id"])] == [
        ("pacs", "verified"),
        ("pacs", "verified"),
        ("vna", "failed"),
    ]


def _events(owner_url: str, series_id: str) -> list[dict[str, Any]]:
    engine = open_engine(owner_url)
    query = "SELECT detail FROM audit_events WHERE action = 'delivery.ended' AND object_id = :id ORDER BY id"
    with transaction(engine) as conn:
        found = [dict(one) for one in conn.execute(text(query), {"id": series_id}).scalars()]
    engine.dispose()
    return found


def test_a_volume_without_an_identity_text_is_told_by_what_its_gateway_knows(
    http: TestClient, owner_url: str
) -> None:
    volume = upload(http, voxels(seed=89), np.diag([2.0, 2.0, 3.0, 1.0]))
    asked = {"volume_ids": [volume["id"]]}
    assert http.post("/v1/identities", json=asked).json() == {"items": []}
    report(http, "old-0", stage="done", project="default", volume_id=volume["id"])
    (told,) = http.post("/v1/identities", json=asked).json()["items"]
    assert (told["volume_id"], told["patient_name"]) == (volume["id"], "Planted^Name")
    engine = open_engine(owner_url)
    query = "SELECT count(*) FROM audit_events WHERE action = 'identity.viewed' AND object_id = :id"
    with transaction(engine) as conn:
        assert conn.execute(text(query), {"id": volume["id"]}).scalar_one() == 1
    engine.dispose()
