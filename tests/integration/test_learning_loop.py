"""The loop through the API and the trainer: corrections become a candidate, which is compared, promoted and taken back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from segloop.database import Engine, open_engine
from segloop.jobs.job import Job
from segloop.settings import Settings
from services.api.main import create_app
from tests.learning import (
    new_project,
    put_into_production,
    small_bundle,
    train,
    trainer_of,
    upload_case,
)

REASON = "tried by hand on ten cases"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def http(settings: Settings, engine: Engine) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


@pytest.fixture
def work(settings: Settings, engine: Engine) -> Callable[[], Job | None]:
    return trainer_of(engine, settings)


def test_corrections_become_a_candidate_that_is_compared_promoted_and_taken_back(
    http: TestClient, engine: Engine, settings: Settings, work: Callable[[], Job | None], bundle: Path
) -> None:
    first = put_into_production(engine, settings, bundle)
    # By hash some of the eight would be anywhere, for the project's id is another each time.
    http.patch("/v1/projects/default/training-policy", json={"test_share": 0.0, "validation_share": 0.0})
    volumes = [upload_case(http, seed)[0] for seed in range(8)]
    frozen = http.post(
        "/v1/projects/default/test-patients", json={"volume_ids": [v["id"] for v in volumes[:2]]}
    )
    assert frozen.status_code == 201 and frozen.json()["n_frozen_cases"] >= 2, frozen.text
    asked = train(http)
    assert asked.status_code == 202, asked.text
    again = train(http)
    assert (again.status_code, again.json()["code"]) == (409, "training_active")

    job = work()
    assert job is not None and (job.kind, job.state, job.error_code) == ("train", "succeeded", None), job
    run = http.get("/v1/projects/default/training-runs").json()["items"][0]
    run = http.get(f"/v1/training-runs/{run['id']}").json()
    assert [record["epoch"] for record in run["epochs"]] == [0, 1]
    parts = {case["volume_id"]: case["part"] for case in run["cases"]}
    assert {parts[v["id"]] for v in volumes[:2]} == {"test"} and "training" in parts.values()
    for case in run["cases"]:
        assert f"{case['case_reference']} (new, ground_truth): {case['part']}" in run["log"]

    candidate = http.get(f"/v1/model-versions/{run['version_id']}").json()
    assert (candidate["stage"], candidate["parent_id"]) == ("candidate", first.id)
    assert work().state == "succeeded"  # type: ignore[union-attr]
    found = http.get(f"/v1/model-versions/{candidate['id']}/comparisons").json()["items"]
    assert [(item["outcome"], item["is_current"]) for item in found] == [("not_enough_cases", True)]
    assert "test patients" in found[0]["decision"]["summary"]
    lineage = http.get(f"/v1/model-versions/{candidate['id']}/lineage").json()
    assert [version["id"] for version in lineage["ancestors"]] == [first.id]
    assert "quick tune" in lineage["card"] and "mandible" in lineage["card"]
    trained = next(v for v in volumes if parts[v["id"]] == "training")
    on_patient = http.get(f"/v1/volumes/{trained['id']}/model-versions").json()["items"]
    assert [version["id"] for version in on_patient] == [candidate["id"]]

    promote = f"/v1/model-versions/{candidate['id']}/promote"
    short = http.post(promote, json={"reason": "why not"})
    assert (short.status_code, short.json()["code"]) == (422, "promotion_reason")
    assert http.post(promote, json={"reason": REASON}).json()["stage"] == "production"
    back = http.post(f"/v1/model-versions/{first.id}/promote", json={"reason": "worse on small glands"})
    assert back.json()["stage"] == "production"
    history = http.get(f"/v1/model-versions/{candidate['id']}/lineage").json()["history"]
    assert [(change["stage"], change["is_override"]) for change in history] == [
        ("production", True),
        ("retired", False),
    ]


def test_what_a_run_saw_starts_nothing_by_itself_and_a_person_may_use_it_again(
    http: TestClient, engine: Engine, settings: Settings, work: Callable[[], Job | None], bundle: Path
) -> None:
    """The candidate was taken back, so production has learned from none of the cases."""
    state: dict[str, Any] = http.get("/v1/projects/default/training-state").json()
    assert state["n_counting"] == 0 and state["n_cases"] == 8 and state["n_new"] == 6
    http.patch("/v1/projects/default/training-policy", json={"automatic": True})
    assert http.get("/v1/projects/default/training-state").json()["is_due"] is False
    asked = train(http)
    assert asked.status_code == 202, asked.text
    http.post(f"/v1/jobs/{asked.json()['id']}/cancel")
    http.patch("/v1/projects/default/training-policy", json={"minimum_corrections": 50})
    refused = train(http)
    assert (refused.status_code, refused.json()["code"]) == (422, "too_few_corrections")
    assert "of 50" in refused.json()["detail"]
    assert http.get("/v1/projects/default/training-state").json()["active_run_id"] is None


def test_a_project_without_any_model_trains_its_first_version_from_ground_truth_alone(
    http: TestClient, work: Callable[[], Job | None]
) -> None:
    project = new_project(http, "firstborn", test_share=0.0, validation_share=0.0)
    for seed in (1, 2):
        upload_case(http, seed, project=project)
    recipe = {"iterations_per_epoch": 2, "n_epochs": 1, "optimizer": "adamw"}
    assert train(http, "full_retrain", project=project, **recipe).status_code == 202
    job = work()
    assert job is not None and (job.state, job.error_code) == ("succeeded", None), job
    assert work().state == "succeeded"  # type: ignore[union-attr]
    (version,) = http.get(f"/v1/projects/{project}/model-versions").json()["items"]
    assert (version["number"], version["stage"], version["parent_id"]) == (1, "candidate", None)
    (comparison,) = http.get(f"/v1/model-versions/{version['id']}/comparisons").json()["items"]
    assert (comparison["outcome"], comparison["production_id"]) == ("not_enough_cases", None)
    promoted = http.post(f"/v1/model-versions/{version['id']}/promote", json={"reason": REASON})
    assert promoted.json()["stage"] == "production"


def test_a_run_that_gives_the_same_version_again_says_so_and_registers_nothing(
    http: TestClient, engine: Engine, settings: Settings, work: Callable[[], Job | None], bundle: Path
) -> None:
    project = new_project(http, "same", minimum_corrections=1, test_share=0.0, validation_share=0.0)
    put_into_production(engine, settings, bundle, project=project)
    upload_case(http, 1, project=project)
    # Steps so small that no weight moves.
    recipe = {"learning_rate": 1e-30, "n_epochs": 1, "iterations_per_epoch": 1}
    assert train(http, project=project, **recipe).status_code == 202
    job = work()
    assert job is not None and (job.state, job.error_code) == ("failed", "training_gave_nothing_new"), job
    assert "exactly version v1 again" in (job.error_message or "")
    (run,) = http.get(f"/v1/projects/{project}/training-runs").json()["items"]
    assert (run["state"], run["version_id"]) == ("failed", None)
    assert len(http.get(f"/v1/projects/{project}/model-versions").json()["items"]) == 1
    assert work() is None  # nothing is compared
    assert http.get(f"/v1/projects/{project}/training-state").json()["n_counting"] == 1
