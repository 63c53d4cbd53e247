"""A run's folder: only what is new is preprocessed, and a later correction takes the place of an earlier one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from segloop.database import Engine, open_engine, transaction
from segloop.errors import Conflict
from segloop.jobs import table as jobs_table
from segloop.jobs.run import Attempt
from segloop.nnunet.workspace import Workspace
from segloop.settings import Settings
from segloop.training.runs import table
from services.api.main import create_app
from services.trainer.case_cache import CaseCache
from services.trainer.prepare import Preparation
from tests.integration.editing import Draft
from tests.learning import new_project, put_into_production, small_bundle, store_of, train, upload_case

TRAINING_ONLY = {"minimum_corrections": 1, "test_share": 0.0, "validation_share": 0.0}


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


def prepared(http: TestClient, engine: Engine, settings: Settings, project: str, name: str) -> Workspace:
    """Start a run, make its folder and cancel it again."""
    job = train(http, project=project).json()
    preparation = Preparation(
        engine, store_of(settings), settings.scratch, CaseCache(settings.scratch / "cache", 2**30), "cpu"
    )
    with transaction(engine) as conn:
        run, claimed = table.get_by_job(conn, job["id"]), jobs_table.get(conn, job["id"])
    made = preparation.workspace(Attempt(claimed), run, settings.scratch / name)
    http.post(f"/v1/jobs/{job['id']}/cancel")
    return made


def codes(workspace: Workspace, case_id: str) -> Any:
    return np.asarray(blosc2.open(str(workspace.case_folder / f"{case_id}_seg.b2nd"))[:])


def inode(workspace: Workspace, case_id: str) -> int:
    return (workspace.case_folder / f"{case_id}.b2nd").stat().st_ino


def test_only_what_is_new_or_corrected_again_is_preprocessed(
    http: TestClient, engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    project = new_project(http, "prepared", **TRAINING_ONLY)
    put_into_production(engine, settings, small_bundle(tmp_path / "made"), project=project)
    same, changed = (upload_case(http, seed, project=project) for seed in (1, 2))
    first = prepared(http, engine, settings, project, "first")
    draft = Draft(http, changed[0]["id"], changed[1]["id"])
    draft.paint((slice(10, 26), slice(10, 22), slice(10, 24)), 5)
    mask = draft.finalize(active_time_s=1).json()
    region = {"whole": False, "axial": [[10, 23]], "labels": [5]}
    http.post(f"/v1/masks/{mask['id']}/feedback", json={"verdict": "corrected", "reviewed": region})
    added = upload_case(http, 3, project=project)
    second = prepared(http, engine, settings, project, "second")

    ids = [case[0]["id"] for case in (same, changed, added)]
    assert sorted(second.new) == sorted(ids)
    assert inode(first, ids[0]) == inode(second, ids[0])  # taken from the cache
    assert inode(first, ids[1]) != inode(second, ids[1])
    before, after = codes(first, ids[1]), codes(second, ids[1])
    # One label of some slices was reviewed: it, anything, or one of the others and the background.
    assert set(np.unique(before)) <= {-1, *range(8)}
    assert set(np.unique(after)) == {5, second.table.ignore, second.table.code({0, 1, 2, 3, 4, 6, 7})}


def test_a_run_that_is_tried_again_does_not_train_on_who_was_kept_for_tests_since(
    http: TestClient, engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    project = new_project(http, "stale", **TRAINING_ONLY)
    put_into_production(engine, settings, small_bundle(tmp_path / "made"), project=project)
    volume, _ = upload_case(http, 1, project=project)
    upload_case(http, 2, project=project)
    job = train(http, project=project).json()
    http.post(f"/v1/jobs/{job['id']}/cancel")
    frozen = http.post(f"/v1/projects/{project}/test-patients", json={"volume_ids": [volume["id"]]})
    assert frozen.status_code == 201
    preparation = Preparation(
        engine, store_of(settings), settings.scratch, CaseCache(settings.scratch / "cache", 2**30), "cpu"
    )
    with transaction(engine) as conn:
        run, claimed = table.get_by_job(conn, job["id"]), jobs_table.get(conn, job["id"])
    with pytest.raises(Conflict) as refused:
        preparation.workspace(Attempt(claimed), run, settings.scratch / "again")
    assert refused.value.code == "training_cases_stale"


def test_a_run_that_waited_does_not_train_on_a_mask_that_was_rejected_since(
    http: TestClient, engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    project = new_project(http, "rejected", **TRAINING_ONLY)
    put_into_production(engine, settings, small_bundle(tmp_path / "made"), project=project)
    _, mask = upload_case(http, 1, project=project)
    upload_case(http, 2, project=project)
    job = train(http, project=project).json()
    http.post(f"/v1/masks/{mask['id']}/feedback", json={"verdict": "rejected", "reason": "sides swapped"})
    preparation = Preparation(
        engine, store_of(settings), settings.scratch, CaseCache(settings.scratch / "cache", 2**30), "cpu"
    )
    with transaction(engine) as conn:
        run, claimed = table.get_by_job(conn, job["id"]), jobs_table.get(conn, job["id"])
    with pytest.raises(Conflict) as refused:
        preparation.workspace(Attempt(claimed), run, settings.scratch / "waited")
    assert (refused.value.code, refused.value.details["masks"]) == ("training_cases_stale", [mask["id"]])
    http.post(f"/v1/jobs/{job['id']}/cancel")
