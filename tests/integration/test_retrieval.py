"""One call for a series that is not here yet: the job waits for its CT, and one series is one job by whatever way it came."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from segloop.database import open_engine, transaction
from segloop.jobs import outbox
from segloop.masks import hold
from segloop.nnunet.bundle import import_model
from segloop.nnunet.tiny import write_tiny_model
from segloop.settings import Settings
from services.api.main import create_app
from tests.dicom_series import slices, voxels
from tests.integration.test_dicom import send, study
from tests.integration.test_studies import AET, STATE, claim, end
from tests.learning import put_into_production
from tests.training_runs import NAMES


@pytest.fixture
def http(settings: Settings, tmp_path: Path) -> Iterator[TestClient]:
    engine = open_engine(settings.database_url)
    import_model(
        write_tiny_model(tmp_path / "model", labels=len(NAMES), label_names=tuple(NAMES)),
        tmp_path / "bundle",
    )
    put_into_production(engine, settings, tmp_path / "bundle")
    engine.dispose()
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        assert client.put(f"/v1/gateways/{AET}", json=STATE).status_code == 204
        yield client


class Series:
    """A series of its own, as its PACS has it."""

    def __init__(self, folder: Path, seed: str) -> None:
        values = {"volume": voxels(seed=sum(map(ord, seed))), "seed": seed, "patient": "Planted^Name"}
        header = slices(**values)[0]
        self.archive = study(folder, seed, **values)
        self.reference = {
            "source": "archive",
            "study_uid": str(header.StudyInstanceUID),
            "series_uid": str(header.SeriesInstanceUID),
        }


def ask(http: TestClient, given: dict[str, Any], **parameters: Any) -> Any:
    body = {"kind": "segment", "input": given, "parameters": parameters}
    return http.post("/v1/jobs", json=body)


def job(http: TestClient, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = http.get(f"/v1/jobs/{job_id}").json()
    return found


def reap(settings: Settings, resend_after_s: float = 0.0) -> list[str]:
    """Do what the relay does, and return the jobs that it rang for."""
    engine, rung = open_engine(settings.database_url), []
    with transaction(engine) as conn:
        outbox.reap_once(conn, resend_after_s=resend_after_s, max_interruptions=3)
        hold.follow_once(conn)
        outbox.relay_once(conn, lambda task, queue, job_id: rung.append(job_id))
    engine.dispose()
    return rung


def test_a_job_waits_for_its_ct_and_is_rung_for_once_that_is_here(
    http: TestClient, settings: Settings, tmp_path: Path
) -> None:
    series = Series(tmp_path, "waits")
    answers: list[Any] = []
    together = [
        threading.Thread(target=lambda: answers.append(ask(http, {"dicomweb": series.reference})))
        for _ in range(4)
    ]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 202]
    (job_id,) = {answer.json()["id"] for answer in answers}
    assert job(http, job_id)["queue"] == "retrieval"
    assert job_id not in reap(settings)  # no worker could do anything
    order = claim(http)
    assert order["kind"] == "retrieve"
    assert order["payload"] == {
        **series.reference,
        "project": "default",
        "job_id": job_id,
        "priority": "routine",
        "destinations": [],
    }
    assert claim(http) is None
    volume = send(http, series.archive).json()
    end(http, order, result={"series": "k", "volume_id": volume["id"]})
    found = job(http, job_id)
    assert (found["queue"], found["volume_id"], found["state"]) == ("segmentation", volume["id"], "queued")
    assert job_id in reap(settings)
    # Later, and by any other way, it is the same job.
    for given in ({"dicomweb": series.reference}, {"volume_id": volume["id"]}):
        again = ask(http, given)
        assert (again.status_code, again.json()["id"]) == (200, job_id)
    assert claim(http) is None


def test_a_series_that_came_by_a_zip_is_not_fetched(http: TestClient, tmp_path: Path) -> None:
    series = Series(tmp_path, "zip")
    volume = send(http, series.archive).json()
    found = ask(http, {"dicomweb": series.reference}).json()
    assert (found["queue"], found["volume_id"]) == ("segmentation", volume["id"])
    assert claim(http) is None


def test_a_part_of_a_series_that_still_comes_is_not_segmented_for_the_whole(
    http: TestClient, tmp_path: Path
) -> None:
    series = Series(tmp_path, "still comes")
    part = send(http, series.archive).json()
    for stage in ("receiving", "closed"):
        report(http, series, "p-0", stage=stage)
        found = ask(http, {"dicomweb": series.reference}).json()
        assert (found["queue"], found["volume_id"]) == ("retrieval", None), stage
    order = claim(http)
    assert (order["kind"], order["payload"]["job_id"]) == ("retrieve", found["id"])
    assert claim(http) is None
    report(http, series, "p-0", stage="uploaded", volume_id=part["id"], project="default")
    end(http, order, result={"series": "q-0", "volume_id": part["id"]})
    assert job(http, found["id"])["volume_id"] == part["id"]
    assert ask(http, {"dicomweb": series.reference}).json()["id"] == found["id"]


def test_what_can_not_be_fetched_ends_the_job_with_the_reason(http: TestClient, tmp_path: Path) -> None:
    series = Series(tmp_path, "refused")
    first = ask(http, {"dicomweb": series.reference}).json()["id"]
    end(
        http,
        claim(http),
        "failed",
        code="series_unknown_at_source",
        message="The archive has no such series.",
    )
    found = job(http, first)
    assert (found["state"], found["error"]["code"]) == ("failed", "series_unknown_at_source")
    refused = http.post(f"/v1/jobs/{first}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_never_ran")
    # Asked for again it is a new job and a new order: the archive may have it by now.
    second = ask(http, {"dicomweb": series.reference})
    assert second.status_code == 202 and second.json()["id"] != first
    order = claim(http)
    http.post(f"/v1/jobs/{second.json()['id']}/cancel")
    end(http, order, result={"volume_id": send(http, series.archive).json()["id"]})
    assert job(http, second.json()["id"])["state"] == "cancelled"


def test_a_held_job_takes_the_result_of_one_that_did_the_same_work(
    http: TestClient, settings: Settings, owner_url: str, tmp_path: Path
) -> None:
    series = Series(tmp_path, "follows")
    volume = send(http, series.archive).json()
    worked = ask(http, {"volume_id": volume["id"]}).json()["id"]
    held = ask(http, {"dicomweb": {**series.reference, "refresh": True}}).json()["id"]
    assert held != worked
    end(http, claim(http), result={"volume_id": volume["id"]})
    assert job(http, held)["stage"] == "waiting for the same work"
    assert held not in reap(settings)
    assert job(http, held)["state"] == "queued"
    mask_id = "01a22c96-05fa-722c-9376-c2b1bd496e14"
    engine = open_engine(owner_url)
    with transaction(engine) as conn:
        conn.execute(
            text("UPDATE jobs SET state = 'succeeded', mask_id = :mask WHERE id = :id"),
            {"id": worked, "mask": mask_id},
        )
    reap(settings)
    found = job(http, held)
    assert (found["state"], found["mask_id"]) == ("succeeded", mask_id)
    assert [event["reason"] for event in http.get(f"/v1/jobs/{held}/history").json()["items"]][-1] == (
        "the same work was done by another job"
    )
    # Where that one is cancelled, the held one does the work itself.
    third = ask(http, {"volume_id": volume["id"]}, again=True).json()["id"]
    held = ask(http, {"dicomweb": {**series.reference, "refresh": True}}).json()["id"]
    end(http, claim(http), result={"volume_id": volume["id"]})
    http.post(f"/v1/jobs/{third}/cancel")
    reap(settings)
    assert job(http, held)["queue"] == "segmentation"
    assert held in reap(settings)
    engine.dispose()


def report(http: TestClient, series: Series, key: str, **changes: Any) -> None:
    body = {
        "route": "c-store",
        "sender": "CT1",
        "stage": "receiving",
        "n_instances": 3,
        "received_at": "2026-11-30T10:00:00Z",
        "identity": {name: series.reference[name] for name in ("study_uid", "series_uid")},
    }
    answer = http.put(f"/v1/gateways/{AET}/series/{key}", json=body | changes)
    assert answer.status_code == 204, answer.text


def test_a_series_that_a_gateway_has_is_segmented_once_its_volume_is_here(
    http: TestClient, tmp_path: Path
) -> None:
    series = Series(tmp_path, "received")
    report(http, series, "r-0")
    (row,) = [one for one in http.get("/v1/received-series").json()["items"] if one["stage"] == "receiving"]
    waits = ask(http, {"received_series_id": row["id"]}).json()["id"]
    assert claim(http) is None  # it is coming in: there is nothing to ask for
    volume = send(http, series.archive).json()
    report(http, series, "r-0", stage="uploaded", volume_id=volume["id"], project="default")
    assert job(http, waits)["volume_id"] == volume["id"]
    again = ask(http, {"received_series_id": row["id"]})
    assert (again.status_code, again.json()["id"]) == (200, waits)


def test_a_refused_series_is_routed_for_its_job_and_a_new_failure_ends_that(
    http: TestClient, tmp_path: Path
) -> None:
    series = Series(tmp_path, "routed")
    report(http, series, "s-0", stage="failed", code="no_rule")
    (row,) = [one for one in http.get("/v1/received-series").json()["items"] if one["code"] == "no_rule"]
    waits = ask(http, {"received_series_id": row["id"]}, priority="stat").json()["id"]
    order = claim(http)
    assert (order["kind"], order["payload"]["series"], order["payload"]["priority"]) == (
        "route",
        "s-0",
        "stat",
    )
    report(http, series, "s-0", stage="failed", code="no_rule")  # said again, as after a restart
    end(http, order)
    assert job(http, waits)["state"] == "queued"
    report(http, series, "s-0", stage="closed")
    report(http, series, "s-0", stage="failed", code="dicom_missing_slices", message="Send it whole.")
    found = job(http, waits)
    assert (found["state"], found["error"]["code"]) == ("failed", "dicom_missing_slices")


def test_what_is_unclear_or_unknown_is_refused(http: TestClient, tmp_path: Path) -> None:
    series = Series(tmp_path, "unclear")
    volume = send(http, Series(tmp_path, "named").archive).json()
    both = ask(http, {"dicomweb": series.reference, "volume_id": volume["id"]})
    assert (both.status_code, both.json()["code"]) == (422, "input_unclear")
    assert ask(http, {}).json()["code"] == "input_unclear"
    nowhere = ask(http, {"dicomweb": {**series.reference, "source": "elsewhere"}})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "source_unknown")
    assert "archive" in nowhere.json()["detail"]
    nobody = ask(http, {"dicomweb": series.reference}, destinations=["nobody"])
    assert (nobody.status_code, nobody.json()["code"]) == (404, "destination_unknown")
    assert claim(http) is None


def test_a_known_series_is_fetched_where_its_results_are_to_be_sent(http: TestClient, tmp_path: Path) -> None:
    series = Series(tmp_path, "sent")
    volume = send(http, series.archive).json()
    found = ask(http, {"dicomweb": series.reference}, destinations=["pacs"]).json()
    assert (found["queue"], found["volume_id"]) == ("segmentation", volume["id"])
    order = claim(http)
    assert (order["payload"]["job_id"], order["payload"]["destinations"]) == (found["id"], ["pacs"])
    end(http, order, result={"volume_id": volume["id"]})
    assert job(http, found["id"])["state"] == "queued"


def test_destinations_named_later_are_asked_for_too(http: TestClient, tmp_path: Path) -> None:
    series = Series(tmp_path, "later")
    first = ask(http, {"dicomweb": series.reference}).json()["id"]
    second = ask(http, {"dicomweb": series.reference}, destinations=["pacs"]).json()["id"]
    ask(http, {"dicomweb": series.reference}, destinations=["pacs"])  # asked for already
    assert first == second
    assert [claim(http)["payload"]["destinations"] for _ in range(2)] == [[], ["pacs"]]
    assert claim(http) is None


def test_a_series_that_no_rule_takes_is_routed_for_the_job_that_waits_for_it(
    http: TestClient, tmp_path: Path
) -> None:
    series = Series(tmp_path, "unruled")
    report(http, series, "u-0", received_at="2026-11-30T15:00:00Z")
    row = http.get("/v1/received-series").json()["items"][0]
    waits = ask(http, {"received_series_id": row["id"]}).json()["id"]
    report(http, series, "u-0", stage="ignored", code="not_routed", received_at="2026-11-30T15:00:00Z")
    order = claim(http)
    assert (order["kind"], order["payload"]["series"], order["payload"]["project"]) == (
        "route",
        "u-0",
        "default",
    )
    end(http, order)
    report(http, series, "u-0", stage="failed", code="dicom_gantry_tilt", received_at="2026-11-30T15:00:00Z")
    assert job(http, waits)["error"]["code"] == "dicom_gantry_tilt"


@pytest.mark.parametrize("first", ["part", "whole"])
def test_a_job_that_waits_for_a_part_of_a_series_waits_for_all_of_it(
    http: TestClient, tmp_path: Path, first: str
) -> None:
    series, key = Series(tmp_path, f"grown {first}"), f"grown{first}"
    at = {"received_at": "2026-11-29T18:00:00Z"}
    report(http, series, f"{key}-0", stage="closed", **at)
    row = http.get("/v1/received-series", params={"stage": "closed"}).json()["items"][0]
    waits = ask(http, {"received_series_id": row["id"]}).json()["id"]
    # The first volume of these was made of the part, and must not be taken for the whole.
    part = send(http, Series(tmp_path, f"part {first}").archive).json()
    grown: dict[str, Any] = {"stage": "ignored", "code": "series_grew", "volume_id": part["id"], **at}
    came: dict[str, Any] = {"n_instances": 5, "received_at": "2026-11-29T18:01:00Z"}
    told = [(f"{key}-0", grown | {"project": "default"}), (f"{key}-1", came)]
    for name, values in told if first == "part" else reversed(told):
        report(http, series, name, **values)
    assert claim(http) is None, "the part is not routed for it"
    assert (job(http, waits)["state"], job(http, waits)["volume_id"]) == ("queued", None)
    volume = send(http, series.archive).json()
    report(http, series, f"{key}-1", stage="uploaded", volume_id=volume["id"], project="default", **came)
    assert job(http, waits)["volume_id"] == volume["id"]
    path = f"/v1/received-series/{row['id']}"
    for refused in (
        http.post(f"{path}/route", json={}),
        http.post(f"{path}/redeliver", json={}),
        ask(http, {"received_series_id": row["id"]}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "series_grew")
    assert claim(http) is None


def test_a_part_that_failed_is_not_worked_on_once_all_of_it_is_coming(
    http: TestClient, tmp_path: Path
) -> None:
    series = Series(tmp_path, "failed part")
    report(http, series, "fp-0", stage="failed", code="part", received_at="2026-11-29T19:00:00Z")
    (row,) = [one for one in http.get("/v1/received-series").json()["items"] if one["code"] == "part"]
    # Another series of the gateway is no part of it, nor is the same one that came again as it was.
    report(http, series, "fpx-0", n_instances=9, received_at="2026-11-29T19:01:00Z")
    report(http, series, "fp-1", received_at="2026-11-29T19:02:00Z")
    path = f"/v1/received-series/{row['id']}/route"
    assert http.post(path, json={}).status_code == 202
    end(http, claim(http), "failed", code="series_forgotten")
    report(http, series, "fp-1", n_instances=4, received_at="2026-11-29T19:02:00Z")
    assert http.post(path, json={}).json()["code"] == "series_grew"


def another_project(http: TestClient, settings: Settings, slug: str) -> None:
    """Make a project with a model in production; no job of it is run."""
    other = http.post("/v1/projects", json={"slug": slug, "name": slug}).json()
    version = http.get("/v1/projects/default/model-versions").json()["items"][0]
    engine = open_engine(settings.database_url)
    with transaction(engine) as conn:  # the job only needs some version of its project
        conn.execute(
            text(
                "INSERT INTO model_versions SELECT (jsonb_populate_record(v, jsonb_build_object("
                "'id', uuidv7(), 'project_id', CAST(:project AS uuid)))).* FROM model_versions v WHERE id = :id"
            ),
            {"project": other["id"], "id": version["id"]},
        )
    engine.dispose()


def test_a_series_of_another_project_is_brought_into_this_one(
    http: TestClient, settings: Settings, tmp_path: Path
) -> None:
    series = Series(tmp_path, "projects")
    volume = send(http, series.archive).json()
    report(http, series, "p-0", stage="done", volume_id=volume["id"], received_at="2026-11-30T16:00:00Z")
    row = http.get("/v1/received-series").json()["items"][0]
    another_project(http, settings, "other")
    body = {"kind": "segment", "project_id": "other", "input": {"received_series_id": row["id"]}}
    waits = http.post("/v1/jobs", json=body)
    assert waits.status_code == 202, waits.text
    # Said again before the order is done, as after a restart, the old volume is not the one that is waited for.
    report(http, series, "p-0", stage="done", volume_id=volume["id"], received_at="2026-11-30T16:00:00Z")
    order = claim(http)
    assert (order["kind"], order["payload"]["project"]) == ("route", "other")
    assert (order["payload"]["job_id"], order["payload"]["destinations"]) == (waits.json()["id"], [])
    end(http, order)
    report(http, series, "p-0", stage="closed", volume_id=volume["id"], received_at="2026-11-30T16:00:00Z")
    assert job(http, waits.json()["id"])["state"] == "queued"
    # Its gateway has an entry of its own for it beside the other project's, and how that fares is what counts.
    at = {"received_at": "2026-11-30T16:00:00Z", "project": "other", "job_id": waits.json()["id"]}
    report(http, series, "beside-1", stage="closed", **at)
    report(http, series, "p-0", stage="failed", code="other", received_at="2026-11-30T16:00:00Z")
    assert job(http, waits.json()["id"])["state"] == "queued"
    report(http, series, "beside-1", stage="failed", code="dicom_gantry_tilt", **at)
    assert job(http, waits.json()["id"])["error"]["code"] == "dicom_gantry_tilt"


def test_a_job_that_asked_while_another_project_had_the_series_under_way_gets_it_in_the_end(
    http: TestClient, settings: Settings, tmp_path: Path
) -> None:
    series = Series(tmp_path, "under way")
    at = {"received_at": "2026-11-30T16:00:00Z"}
    report(http, series, "w-0", stage="closed", project="default", **at)
    row = http.get("/v1/received-series").json()["items"][0]
    another_project(http, settings, "third")
    body = {"kind": "segment", "project_id": "third", "input": {"received_series_id": row["id"]}}
    waits = http.post("/v1/jobs", json=body).json()
    volume = send(http, series.archive).json()
    report(http, series, "w-0", stage="segmenting", project="default", volume_id=volume["id"], **at)
    assert claim(http) is None, "the other project is not through with it"
    report(http, series, "w-0", stage="done", project="default", volume_id=volume["id"], **at)
    order = claim(http)
    assert (order["kind"], order["payload"]["project"], order["payload"]["job_id"]) == (
        "route",
        "third",
        waits["id"],
    )
    assert order["payload"]["destinations"] == []


def test_what_is_urgent_or_quick_is_handed_out_before_what_waits_long(
    http: TestClient, tmp_path: Path
) -> None:
    for name, priority in (("slow", "routine"), ("fast", "stat")):
        ask(http, {"dicomweb": Series(tmp_path, name).reference}, priority=priority)
    http.post(f"/v1/gateways/{AET}/test", json={"name": "pacs"})
    given = [claim(http) for _ in range(3)]
    assert [one["kind"] for one in given] == ["echo", "retrieve", "retrieve"]
    assert [one["payload"]["priority"] for one in given[1:]] == ["stat", "routine"]
