"""What becomes a case, who may train, and when a run starts: the rules, without training anything."""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, insert, select, text, update

from segloop.database import Engine, open_engine, transaction
from segloop.jobs.table import jobs, lock_training
from segloop.masks.table import masks
from segloop.model_versions import promote
from segloop.model_versions import table as versions_table
from segloop.model_versions.table import model_versions
from segloop.nnunet.bundle import import_model
from segloop.nnunet.tiny import write_tiny_model
from segloop.projects import table as projects_table
from segloop.settings import Settings
from segloop.training.policies import table as policies_table
from segloop.training.runs import automatic
from segloop.training.runs import table as runs_table
from services.api.main import create_app
from services.api.relay import relay_and_reap
from tests.integration.editing import Draft, upload
from tests.learning import new_project, put_into_production, small_bundle, train, upload_case
from tests.training_runs import NAMES

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
SHAPE = (8, 7, 6)
FRESH = itertools.count(100)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


@pytest.fixture
def project(http: TestClient, engine: Engine, settings: Settings, bundle: Path) -> str:
    """A project with a version in production, which needs two corrections for a retraining and keeps nobody for tests."""
    slug = new_project(http, f"p{next(FRESH)}", minimum_corrections=2, test_share=0.0, validation_share=0.0)
    put_into_production(engine, settings, bundle, project=slug)
    return slug


def segmented(
    http: TestClient, project: str, *, patient: str | None = None, every_label: bool = False
) -> dict[str, Any]:
    """Upload a CT and a mask of another tool on it; return the mask."""
    n = next(FRESH)
    ct = np.random.default_rng(n).integers(-1000, 400, SHAPE).astype(np.int16)
    volume = upload(http, ct, AFFINE, project=project, patient_reference=patient or f"patient {n}")
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:4, 2:4, 1:3] = 5
    if every_label:
        mask[: len(NAMES), 0, 0] = range(1, len(NAMES) + 1)
    return upload(http, mask, AFFINE, project=project, purpose="mask", volume_id=volume["id"])


def uploaded(http: TestClient, project: str, kind: str, labels: list[int] | None) -> dict[str, Any]:
    """Upload a CT and a mask in which these labels were annotated; return the mask."""
    volume_id = segmented(http, project)["volume_id"]
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:4, 2:4, 1:3] = 5
    more = {"purpose": "mask", "volume_id": volume_id, "mask_kind": kind, "annotated_labels": labels}
    return upload(http, mask, AFFINE, project=project, **more)


def give(http: TestClient, mask: dict[str, Any], verdict: str, **body: object) -> dict[str, Any]:
    answer = http.post(f"/v1/masks/{mask['id']}/feedback", json={"verdict": verdict, **body})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def corrected(http: TestClient, base: dict[str, Any], region: dict[str, Any] | None) -> dict[str, Any]:
    draft = Draft(http, base["volume_id"], base["id"])
    draft.paint((slice(0, 2), slice(4, 6), slice(1, 2)), 2)
    mask: dict[str, Any] = draft.finalize(active_time_s=3).json()
    give(http, mask, "corrected", **({} if region is None else {"reviewed": region}))
    return mask


def cases(http: TestClient, project: str) -> dict[str, dict[str, Any]]:
    items = http.get(f"/v1/projects/{project}/training-cases").json()["items"]
    return {item["volume_id"]: item for item in items}


def state(http: TestClient, project: str) -> dict[str, Any]:
    return dict(http.get(f"/v1/projects/{project}/training-state").json())


def test_accepted_and_corrected_masks_are_cases_and_rejected_ones_are_not(
    http: TestClient, project: str
) -> None:
    accepted, rejected, untouched = (segmented(http, project) for _ in range(3))
    give(http, accepted, "accepted")
    give(http, rejected, "rejected", reason="wrong organ")
    found = cases(http, project)
    assert list(found) == [accepted["volume_id"]]
    assert found[accepted["volume_id"]]["is_dense"] and untouched["volume_id"] not in found
    give(http, accepted, "rejected", reason="I looked again")
    assert not cases(http, project)


def test_a_later_correction_of_a_volume_replaces_the_earlier(http: TestClient, project: str) -> None:
    base = segmented(http, project)
    first = corrected(http, base, {"whole": True})
    second = corrected(http, first, {"whole": True})
    found = cases(http, project)[base["volume_id"]]
    assert (found["mask_id"], found["origin"]) == (second["id"], "corrected")


def test_another_word_on_the_earlier_mask_does_not_undo_its_correction(
    http: TestClient, project: str
) -> None:
    base = segmented(http, project)
    correction = corrected(http, base, {"whole": True})
    give(http, base, "accepted")
    assert cases(http, project)[base["volume_id"]]["mask_id"] == correction["id"]
    give(http, correction, "rejected", reason="sides swapped")
    assert cases(http, project)[base["volume_id"]]["mask_id"] == base["id"]


def test_a_second_reader_makes_no_more_of_a_correction_than_was_reviewed(
    http: TestClient, project: str
) -> None:
    base = segmented(http, project)
    draft = Draft(http, base["volume_id"], base["id"])
    draft.paint((slice(0, 2), slice(4, 6), slice(1, 2)), 2)
    draft.send(json.dumps({"whole": False, "axial": [[1, 2]]}).encode(), "review", 0)
    correction = draft.finalize(active_time_s=3).json()
    give(http, correction, "accepted")
    found = cases(http, project)[base["volume_id"]]
    assert (found["mask_id"], found["why_not"], found["is_dense"]) == (correction["id"], None, False)
    frozen = http.post(f"/v1/projects/{project}/test-patients", json={"volume_ids": [base["volume_id"]]})
    assert frozen.status_code == 201
    assert state(http, project)["n_corrected_cases"] == 1  # people had to correct it, whoever agreed


def test_a_version_s_output_without_an_edit_is_no_reference_also_when_it_was_finalized(
    http: TestClient, engine: Engine, project: str
) -> None:
    base = segmented(http, project)
    with transaction(engine) as conn:
        version = conn.execute(
            select(model_versions.c.id).where(model_versions.c.project_id == base["project_id"])
        ).scalar_one()
        row = dict(conn.execute(select(masks).where(masks.c.id == base["id"])).one()._mapping)
        row |= {"id": str(uuid4()), "kind": "prediction", "model_version_id": version, "profile": "exact"}
        conn.execute(insert(masks).values(row))
    for change, is_reference in ((False, False), (True, True)):
        draft = Draft(http, base["volume_id"], row["id"])
        if change:
            draft.paint((slice(0, 2), slice(4, 6), slice(1, 2)), 2)
        draft.send(json.dumps({"whole": True}).encode(), "review", 0)
        give(http, draft.finalize(active_time_s=1).json(), "corrected")
        found = cases(http, project)[base["volume_id"]]
        assert (found["is_dense"], found["is_reference"]) == (True, is_reference)


def test_a_correction_that_says_nothing_of_what_was_reviewed_teaches_nothing(
    http: TestClient, project: str
) -> None:
    base = segmented(http, project)
    corrected(http, base, None)
    assert cases(http, project)[base["volume_id"]]["why_not"] == "nothing of it is marked as reviewed"
    assert state(http, project)["n_usable"] == 0


def test_a_correction_of_some_slices_is_a_case_that_is_no_dense_one(http: TestClient, project: str) -> None:
    base = segmented(http, project)
    corrected(http, base, {"whole": False, "axial": [[1, 2]]})
    found = cases(http, project)[base["volume_id"]]
    assert (found["why_not"], found["is_dense"]) == (None, False)


def test_ground_truth_of_some_labels_vouches_for_these_and_so_does_a_correction_drawn_on_it(
    http: TestClient, project: str
) -> None:
    truth = uploaded(http, project, "ground_truth", [5, 2])
    assert (truth["reviewed"]["whole"], truth["reviewed"]["labels"]) == (True, [2, 5])

    def found() -> tuple[str, Any, bool]:
        """Return the case's mask, what a draft on it begins with, and whether the case is dense."""
        case = cases(http, project)[truth["volume_id"]]
        assert case["why_not"] is None
        draft = Draft(http, truth["volume_id"], case["mask_id"])
        region = http.get(f"{draft.url}/changes").json()["reviewed"]
        http.delete(draft.url)
        return case["mask_id"], (region["whole"], region["labels"]), case["is_dense"]

    assert found() == (truth["id"], (True, [2, 5]), False)
    give(http, truth, "accepted")
    assert found() == (truth["id"], (True, [2, 5]), False)
    drawn = corrected(http, truth, None)
    assert drawn["reviewed"]["labels"] == [2, 5]
    assert found() == (drawn["id"], (True, [2, 5]), False)
    draft = Draft(http, truth["volume_id"], drawn["id"])
    draft.send(json.dumps({"whole": True, "labels": None}).encode(), "review", 0)  # the rest was looked at
    complete = draft.finalize(active_time_s=1).json()
    give(http, complete, "corrected")
    assert found() == (complete["id"], (True, None), True)


def test_another_tool_s_result_of_some_labels_is_accepted_for_these_and_unreviewed_before(
    http: TestClient, project: str
) -> None:
    mask = uploaded(http, project, "imported", [5])
    assert cases(http, project) == {}
    draft = Draft(http, mask["volume_id"], mask["id"])
    region = http.get(f"{draft.url}/changes").json()["reviewed"]
    assert (region["whole"], region["axial"], region["labels"]) == (False, [], [5])
    assert give(http, mask, "accepted")["reviewed"]["labels"] == [5]
    found = cases(http, project)[mask["volume_id"]]
    assert (found["why_not"], found["is_dense"], found["mask_id"]) == (None, False, mask["id"])


def test_ground_truth_of_every_label_is_dense_and_of_a_label_that_is_none_refused(
    http: TestClient, project: str
) -> None:
    for labels in (None, [1, 2, 3, 4, 5, 6, 7]):
        truth = uploaded(http, project, "ground_truth", labels)
        assert truth["reviewed"] is None and cases(http, project)[truth["volume_id"]]["is_dense"]
    for wrong, code in (([5, 77], "annotated_labels"), ([], "request_invalid")):
        body = {
            "size_bytes": 9,
            "purpose": "mask",
            "volume_id": truth["volume_id"],
            "annotated_labels": wrong,
        }
        answer = http.post(f"/v1/projects/{project}/uploads", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_too_few_corrections_start_nothing_and_say_how_many(http: TestClient, project: str) -> None:
    give(http, segmented(http, project), "accepted")
    answer = train(http, project=project)
    assert (answer.status_code, answer.json()["code"]) == (422, "too_few_corrections")
    assert "1 of 2" in answer.json()["detail"]
    assert http.get(f"/v1/projects/{project}/training-runs").json()["items"] == []
    assert http.get("/v1/jobs", params={"project_id": project}).json()["items"] == []


def test_masks_without_any_label_start_nothing(http: TestClient, project: str) -> None:
    for _ in range(2):
        base = segmented(http, project)
        draft = Draft(http, base["volume_id"], base["id"])
        draft.paint((slice(0, 8), slice(0, 7), slice(0, 6)), 0, "erase")
        give(http, draft.finalize(active_time_s=1).json(), "corrected", reviewed={"whole": True})
    answer = train(http, project=project)
    assert (answer.status_code, answer.json()["code"]) == (422, "labels_missing")


def test_a_full_retrain_needs_every_label_somewhere(http: TestClient, project: str) -> None:
    for _ in range(2):
        give(http, segmented(http, project), "accepted")
    answer = train(http, "full_retrain", project=project)
    assert (answer.status_code, answer.json()["code"]) == (422, "labels_missing")
    assert "brainstem" in answer.json()["detail"] and "mandible" not in answer.json()["detail"]


def test_a_tune_without_a_version_in_production_says_what_to_do(http: TestClient) -> None:
    slug = new_project(http, f"p{next(FRESH)}")
    upload_case(http, 1, project=slug)
    answer = train(http, project=slug)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_model")


@pytest.mark.parametrize("recipe", [{"learning_rate": 7}, {"epochs": 3}, {"optimizer": "lion"}])
def test_a_recipe_that_makes_no_sense_is_refused(
    http: TestClient, project: str, recipe: dict[str, Any]
) -> None:
    for _ in range(2):
        give(http, segmented(http, project), "accepted")
    answer = train(http, project=project, **recipe)
    assert (answer.status_code, answer.json()["code"]) == (422, "recipe_invalid")


def test_feedback_starts_a_retraining_by_itself_once_there_is_enough_and_only_once(
    http: TestClient, project: str
) -> None:
    assert (
        http.patch(f"/v1/projects/{project}/training-policy", json={"automatic": True}).json()["version"] == 2
    )
    masks = [segmented(http, project) for _ in range(4)]
    give(http, masks[0], "accepted")
    assert state(http, project)["active_run_id"] is None
    give(http, masks[1], "accepted")
    runs = http.get(f"/v1/projects/{project}/training-runs").json()["items"]
    assert [(run["trigger"], run["state"]) for run in runs] == [("automatic", "queued")]
    give(http, masks[2], "accepted")
    assert len(http.get(f"/v1/projects/{project}/training-runs").json()["items"]) == 1
    frozen = http.get(f"/v1/training-runs/{runs[0]['id']}").json()["cases"]
    assert {case["volume_id"] for case in frozen} == {mask["volume_id"] for mask in masks[:2]}


def test_a_cancelled_run_gives_its_cases_back(http: TestClient, project: str) -> None:
    for _ in range(2):
        give(http, segmented(http, project), "accepted")
    job = train(http, project=project).json()
    assert http.post(f"/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert state(http, project)["n_counting"] == 2
    assert train(http, project=project).status_code == 202


def test_who_validates_is_said_before_a_run_starts(http: TestClient, project: str) -> None:
    http.patch(f"/v1/projects/{project}/training-policy", json={"validation_share": 0.5})
    said: dict[str, bool] = {}
    while len(set(said.values())) < 2 or len(said) < 3:  # until the hash has put patients on both sides
        give(http, segmented(http, project), "accepted")
        said = {volume_id: case["is_validation"] for volume_id, case in cases(http, project).items()}
    assert state(http, project)["n_validating"] == sum(said.values())
    assert train(http, project=project).status_code == 202
    run = http.get(f"/v1/projects/{project}/training-runs").json()["items"][0]
    placed = http.get(f"/v1/training-runs/{run['id']}").json()["cases"]
    assert {case["volume_id"]: case["part"] == "validation" for case in placed} == said


def test_no_quick_tune_goes_on_from_overlapping_regions(
    http: TestClient, engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    slug = new_project(http, f"p{next(FRESH)}", minimum_corrections=1, test_share=0.0, validation_share=0.0)
    model = write_tiny_model(tmp_path / "model", weights="random", labels=len(NAMES) - 1)
    dataset = json.loads((model / "dataset.json").read_text())
    regions = {name: [i, len(NAMES)] if i == 1 else i for i, name in enumerate(NAMES, 1)}
    dataset |= {"labels": {"background": 0, **regions}, "regions_class_order": list(range(1, len(NAMES) + 1))}
    (model / "dataset.json").write_text(json.dumps(dataset))
    import_model(model, tmp_path / "regions")
    put_into_production(engine, settings, tmp_path / "regions", project=slug)
    give(http, segmented(http, slug), "accepted")
    answer = train(http, project=slug)
    assert (answer.status_code, answer.json()["code"]) == (409, "regions_not_tunable")
    assert http.get(f"/v1/projects/{slug}/training-runs").json()["items"] == []


def test_the_same_idempotency_key_starts_one_run(http: TestClient, project: str) -> None:
    for _ in range(2):
        give(http, segmented(http, project), "accepted")
    body = {"kind": "train", "project_id": project}
    answers = [http.post("/v1/jobs", json=body, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]


def test_a_patient_kept_for_tests_never_trains_and_whoever_trained_is_no_test(
    http: TestClient, project: str
) -> None:
    test, other, third = (segmented(http, project) for _ in range(3))
    answer = http.post(f"/v1/projects/{project}/test-patients", json={"volume_ids": [test["volume_id"]]})
    assert (answer.status_code, answer.json()["n_test_patients"]) == (201, 1)
    for mask in (test, other, third):
        give(http, mask, "accepted")
    again = segmented(http, project, patient="somebody")
    give(http, again, "accepted")
    job = train(http, project=project).json()
    run = http.get(f"/v1/projects/{project}/training-runs").json()["items"][0]
    assert run["job_id"] == job["id"]
    parts = {c["volume_id"]: c["part"] for c in http.get(f"/v1/training-runs/{run['id']}").json()["cases"]}
    assert parts[test["volume_id"]] == "test"
    assert {parts[mask["volume_id"]] for mask in (other, third, again)} == {"training"}


def test_a_ct_of_nobody_in_particular_is_no_test_case(http: TestClient, project: str) -> None:
    ct = np.random.default_rng(next(FRESH)).integers(-1000, 400, SHAPE).astype(np.int16)
    volume = upload(http, ct, AFFINE, project=project)
    answer = http.post(f"/v1/projects/{project}/test-patients", json={"volume_ids": [volume["id"]]})
    assert (answer.status_code, answer.json()["code"]) == (409, "test_patient_unknown")


def test_each_change_of_the_policy_is_a_version_and_no_change_is_none(http: TestClient, project: str) -> None:
    url = f"/v1/projects/{project}/training-policy"
    gate = {"minimum_patients": 3, "margins": {"mandible": {"dice": 0.05, "nsd": 0.05}}}
    assert http.patch(url, json={"gate": gate}).json()["version"] == 2
    assert http.patch(url, json={"gate": gate}).json()["version"] == 2
    assert http.get(url).json()["gate"]["minimum_patients"] == 3
    stays = http.patch(url, json={"gate": {"minimum_patients": 4}}).json()
    assert stays["version"] == 3 and stays["gate"]["margins"] == gate["margins"]
    for wrong in (
        {"validation_share": 0.9, "test_share": 0.5},
        {"minimum_corrections": 0},
        {"gate": {"alpha": 2}},
        {"recipes": {"quick_tune": {"n_epoch": 3}}},
    ):
        assert http.patch(url, json=wrong).status_code == 422
    assert http.get(url).json()["version"] == 3


def predicted(http: TestClient, engine: Engine, base: dict[str, Any], project: str) -> dict[str, Any]:
    """The same mask once more, as if the version in production had made it."""
    version = http.get(f"/v1/projects/{project}/model-versions").json()["items"][0]
    with transaction(engine) as conn:
        row = conn.execute(select(masks).where(masks.c.id == base["id"])).one()._asdict()
        values = {key: value for key, value in row.items() if key not in ("id", "created_at")}
        made = {"kind": "prediction", "model_version_id": version["id"], "profile": "exact"}
        new = conn.execute(insert(masks).values({**values, **made}).returning(masks.c.id)).scalar_one()
    return {"id": new, "volume_id": base["volume_id"]}


def test_a_version_is_not_tested_against_its_own_accepted_mask_and_that_hides_no_reference(
    http: TestClient, engine: Engine, project: str
) -> None:
    own, both = (segmented(http, project) for _ in range(2))
    give(http, predicted(http, engine, own, project), "accepted")
    corrected(http, both, {"whole": True})
    give(http, predicted(http, engine, both, project), "accepted")
    body = {"volume_ids": [own["volume_id"], both["volume_id"]]}
    frozen = http.post(f"/v1/projects/{project}/test-patients", json=body)
    assert frozen.status_code == 201, frozen.text
    found = state(http, project)
    assert (found["n_cases"], found["n_frozen_cases"], found["n_corrected_cases"]) == (2, 1, 1)
    listed = cases(http, project)[own["volume_id"]]
    assert (listed["is_dense"], listed["is_reference"]) == (True, False)


def test_corrections_of_test_patients_start_nothing_by_themselves(http: TestClient, project: str) -> None:
    made = [segmented(http, project) for _ in range(2)]
    for mask in made:
        give(http, mask, "accepted")
    body = {"volume_ids": [mask["volume_id"] for mask in made]}
    assert http.post(f"/v1/projects/{project}/test-patients", json=body).status_code == 201
    http.patch(f"/v1/projects/{project}/training-policy", json={"automatic": True})
    assert (state(http, project)["n_counting"], state(http, project)["is_due"]) == (0, False)
    corrected(http, made[0], {"whole": True})
    assert http.get(f"/v1/projects/{project}/training-runs").json()["items"] == []


def test_a_patient_that_trains_right_now_can_not_be_kept_for_tests(http: TestClient, project: str) -> None:
    masks = [segmented(http, project) for _ in range(2)]
    for mask in masks:
        give(http, mask, "accepted")
    job = train(http, project=project).json()
    body = {"volume_ids": [masks[0]["volume_id"]]}
    answer = http.post(f"/v1/projects/{project}/test-patients", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "test_patient_trained")
    http.post(f"/v1/jobs/{job['id']}/cancel")
    assert http.post(f"/v1/projects/{project}/test-patients", json=body).status_code == 201


def trained(http: TestClient, engine: Engine, project: str, kind: str = "quick_tune") -> str:
    """Start a run, let it end as if it had trained a version, put that into production and return its id."""
    job = train(http, kind, project=project)
    assert job.status_code == 202, job.text
    with transaction(engine) as conn:
        run = runs_table.get_by_job(conn, job.json()["id"])
        made = versions_table.insert_version(
            conn,
            project_id=run.project_id,
            created_by="tester",
            name=kind,
            label_set_id=run.label_set_id,
            object_key=run.id,
            sha256=run.id,
            size_bytes=1,
            orientation="RAS",
            parent_id=run.parent_id,
        )
        runs_table.set_version(conn, run.id, made.id)
        promote.promote(conn, made.id, actor="tester", reason="it is a test")
    http.post(f"/v1/jobs/{job.json()['id']}/cancel")
    return str(made.id)


def test_a_patient_s_versions_are_those_that_learned_of_it_also_through_the_one_they_were_tuned_from(
    http: TestClient, engine: Engine, project: str
) -> None:
    patient, *others = (segmented(http, project, every_label=True) for _ in range(3))
    give(http, patient, "accepted")
    give(http, others[0], "accepted")
    learned = trained(http, engine, project)
    give(http, patient, "rejected", reason="no longer to be learned from")
    give(http, others[1], "accepted")
    http.patch(f"/v1/projects/{project}/training-policy", json={"minimum_corrections": 1})
    tuned = trained(http, engine, project)
    give(http, segmented(http, project, every_label=True), "accepted")
    tuned_again = trained(http, engine, project)
    give(http, segmented(http, project, every_label=True), "accepted")
    trained(http, engine, project, "full_retrain")  # from nothing, without the patient
    url = "/v1/volumes/{}/model-versions"
    found = http.get(url.format(patient["volume_id"])).json()["items"]
    assert [version["id"] for version in found] == [learned, tuned, tuned_again]
    later = http.get(url.format(others[1]["volume_id"])).json()["items"]
    assert learned not in [version["id"] for version in later] and len(later) == 3


def end(engine: Engine, job_id: str, state: str = "failed") -> None:
    """End a queued job as if its worker had."""
    with transaction(engine) as conn:
        conn.execute(update(jobs).where(jobs.c.id == job_id).values(state=state, finished_at=func.now()))


def test_a_run_is_not_tried_again_while_another_is_active(
    http: TestClient, engine: Engine, project: str
) -> None:
    for _ in range(2):
        give(http, segmented(http, project), "accepted")
    first = train(http, project=project).json()
    end(engine, first["id"])
    second = train(http, project=project).json()
    refused = http.post(f"/v1/jobs/{first['id']}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "training_active")
    assert http.get(f"/v1/jobs/{first['id']}").json()["state"] == "failed"
    http.post(f"/v1/jobs/{second['id']}/cancel")
    assert http.post(f"/v1/jobs/{first['id']}/retry").status_code == 202
    assert train(http, project=project).json()["code"] == "training_active"


def test_a_run_is_not_tried_again_while_somebody_chooses_who_is_tested(
    http: TestClient, engine: Engine, project: str
) -> None:
    for _ in range(2):
        give(http, segmented(http, project), "accepted")
    job = train(http, project=project).json()
    end(engine, job["id"])
    answers: list[int] = []
    thread = threading.Thread(
        target=lambda: answers.append(http.post(f"/v1/jobs/{job['id']}/retry").status_code)
    )
    with transaction(engine) as conn:
        lock_training(conn, project_id=job["project_id"])
        thread.start()
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        while not conn.execute(waiting).scalar_one():  # until it has come as far as it can
            assert not answers, "it didn't wait"
            time.sleep(0.02)
    thread.join()
    assert answers == [202]


def accept(http: TestClient, project: str, n: int) -> list[str]:
    """Accept so many new masks and return their volumes."""
    masks = [segmented(http, project) for _ in range(n)]
    for mask in masks:
        give(http, mask, "accepted")
    return [mask["volume_id"] for mask in masks]


def newest_run(http: TestClient, project: str) -> tuple[int, dict[str, Any]]:
    """Return how many runs there are, and the newest with its cases."""
    items = http.get(f"/v1/projects/{project}/training-runs").json()["items"]
    return len(items), dict(http.get(f"/v1/training-runs/{items[0]['id']}").json())


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_what_came_due_while_a_run_was_active_starts_when_that_ends_and_the_same_not_again(
    http: TestClient, engine: Engine, project: str, state: str
) -> None:
    http.patch(f"/v1/projects/{project}/training-policy", json={"automatic": True})
    accept(http, project, 2)
    n, run = newest_run(http, project)
    assert n == 1 and automatic.start_where_due(engine) == []
    accept(http, project, 1)
    end(engine, run["job_id"], state)
    assert (
        automatic.start_where_due(engine) == []
    )  # one new mask of two; what was tried is not done over and over
    assert newest_run(http, project)[0] == 1
    accept(http, project, 1)  # feedback asks as ever
    n, run = newest_run(http, project)
    assert (n, run["trigger"]) == (2, "automatic")
    accept(http, project, 2)
    end(engine, run["job_id"], state)
    assert len(automatic.start_where_due(engine)) == 1
    n, run = newest_run(http, project)
    assert (n, run["state"], len(run["cases"])) == (3, "queued", 6)
    http.post(f"/v1/jobs/{run['job_id']}/cancel")


def test_a_policy_that_becomes_automatic_starts_what_is_due(http: TestClient, project: str) -> None:
    accept(http, project, 2)
    url = f"/v1/projects/{project}/training-policy"
    http.patch(url, json={"validation_share": 0.1})
    assert http.get(f"/v1/projects/{project}/training-runs").json()["items"] == []
    http.patch(url, json={"automatic": True})
    n, run = newest_run(http, project)
    assert (n, run["trigger"], run["state"]) == (1, "automatic", "queued")
    http.post(f"/v1/jobs/{run['job_id']}/cancel")


def test_the_relay_asks_also_where_one_project_can_not_be_asked(
    http: TestClient, engine: Engine, settings: Settings, project: str
) -> None:
    broken = new_project(http, f"p{next(FRESH)}", automatic=True)
    with transaction(engine) as conn:
        project_id = projects_table.get(conn, broken).id
        policies_table.insert_policy(
            conn, project_id=project_id, actor="tester", body={"automatic": True, "of_a_later_release": 1}
        )
    http.patch(f"/v1/projects/{project}/training-policy", json={"automatic": True})
    accept(http, project, 2)
    _, run = newest_run(http, project)
    accept(http, project, 2)
    end(engine, run["job_id"])
    stop, rung = threading.Event(), []
    relay = threading.Thread(
        target=relay_and_reap, args=(engine, lambda *bell: rung.append(bell), settings, stop)
    )
    relay.start()
    try:
        until = time.monotonic() + 30
        while newest_run(http, project)[0] < 2:
            assert relay.is_alive() and time.monotonic() < until
            time.sleep(0.1)
    finally:
        stop.set()
        relay.join()
