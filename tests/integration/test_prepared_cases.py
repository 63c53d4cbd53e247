"""A run's folder: only what is new is preprocessed, and a later correction takes the place of an earlier one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import blosc2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, update

from segloop.database import Engine, open_engine, transaction
from segloop.errors import Conflict
from segloop.jobs import table as jobs_table
from segloop.jobs.run import Attempt
from segloop.nnunet.trainer import LoopTrainer
from segloop.nnunet.workspace import Workspace
from segloop.settings import Settings, child_environment
from segloop.training.runs import table
from services.api.main import create_app
from services.trainer.case_cache import CaseCache
from services.trainer.checkpoints import sweep
from services.trainer.prepare import Preparation
from services.trainer.train import Trainer
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


def prepared(
    http: TestClient, engine: Engine, settings: Settings, project: str, name: str, kind: str = "quick_tune"
) -> Workspace:
    """Start a run, make its folder and cancel it again."""
    job = train(http, kind, project=project).json()
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


def test_labels_that_ground_truth_was_not_annotated_for_are_unknown_and_not_background(
    http: TestClient, engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    project = new_project(http, "annotated", **TRAINING_ONLY)
    put_into_production(engine, settings, small_bundle(tmp_path / "made"), project=project)
    volume, _ = upload_case(http, 1, project=project, annotated_labels=[5])
    made = prepared(http, engine, settings, project, "some")
    found = set(np.unique(codes(made, volume["id"]))) - {-1}
    assert found == {5, made.table.code({0, 1, 2, 3, 4, 6, 7})}


def draws(workspace: Workspace) -> dict[str, float]:
    """Return how often the run's own loader draws each case."""
    trainer = LoopTrainer.open(workspace.folder)
    trainer.initialize()
    loader = trainer.get_dataloaders()[0].data_loader
    return dict(zip(loader.indices, map(float, loader.sampling_probabilities), strict=True))


def test_a_tune_draws_half_of_its_samples_from_earlier_cases_and_a_full_retrain_all_alike(
    http: TestClient, engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    project = new_project(http, "mixture", **TRAINING_ONLY)
    version = put_into_production(engine, settings, small_bundle(tmp_path / "made"), project=project)
    earlier = [upload_case(http, seed, project=project)[0]["id"] for seed in (1, 2, 3)]
    job = train(http, project=project).json()
    with transaction(engine) as conn:  # as if that run had made the version in production
        table.set_version(conn, table.get_by_job(conn, job["id"]).id, version.id)
    http.post(f"/v1/jobs/{job['id']}/cancel")
    new = upload_case(http, 4, project=project)[0]["id"]

    tune = prepared(http, engine, settings, project, "tune")
    assert (sorted(tune.earlier), tune.new) == (sorted(earlier), (new,))
    assert draws(tune) == pytest.approx(dict.fromkeys(earlier, 1 / 6) | {new: 1 / 2})
    full = prepared(http, engine, settings, project, "full", "full_retrain")
    assert draws(full) == pytest.approx(dict.fromkeys([*earlier, new], 1 / 4))


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


def test_checkpoints_go_once_no_run_can_go_on_from_them(
    http: TestClient, engine: Engine, settings: Settings
) -> None:
    store, project = store_of(settings), new_project(http, "swept", **TRAINING_ONLY)
    upload_case(http, 1, project=project)

    def run(state: str) -> str:
        """Make a run that kept a checkpoint, and an object that no row names, and ended so."""
        job = train(http, "full_retrain", project=project).json()
        with transaction(engine) as conn:
            run_id = str(table.get_by_job(conn, job["id"]).id)
            key = f"training/{run_id}/attempt-1/1"
            values = {"state": state, "finished_at": func.clock_timestamp()}
            conn.execute(update(jobs_table.jobs).where(jobs_table.jobs.c.id == job["id"]).values(values))
            conn.execute(
                update(table.training_runs)
                .where(table.training_runs.c.id == run_id)
                .values(checkpoint_key=key)
            )
        for name in ("1/state.pt", "1/progress.jsonl", "2/state.pt"):
            store.put_bytes(f"training/{run_id}/attempt-1/{name}", b"saved")
        return run_id

    def kept() -> set[str]:
        sweep(engine, store)
        return {item.key.split("/")[1] for item in store.list_("training/")}

    store.put_bytes("training/not-a-run/state.pt", b"whatever this is, it is not ours to delete")
    cancelled, failed = run("cancelled"), run("failed")
    active = run("queued")
    assert kept() == {"not-a-run", failed, active}
    with transaction(engine) as conn:
        job_id = table.get(conn, active).job_id
    http.post(f"/v1/jobs/{job_id}/cancel")
    succeeded = run("succeeded")
    assert kept() == {"not-a-run", failed}  # nothing was registered yet that would make up for the failed one
    version = put_into_production(engine, settings, small_bundle(settings.scratch / "made"), project=project)
    with transaction(engine) as conn:
        table.set_version(conn, succeeded, version.id)
    assert kept() == {"not-a-run"}
    upload_case(http, 2, project=project)
    later = run("failed")
    assert kept() == {"not-a-run", later}  # may be tried again
    with transaction(engine) as conn:
        keys = {one: table.get(conn, one).checkpoint_key for one in (cancelled, failed, active, later)}
    assert {one for one, key in keys.items() if key is not None} == {later}


def test_an_attempt_removes_what_killed_ones_left_and_nothing_that_may_still_be_written(
    http: TestClient, engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = []
    for slug in ("ended", "active", "own"):
        project = new_project(http, slug, test_share=0.0, validation_share=0.0)
        upload_case(http, 1, project=project)
        jobs.append(train(http, "full_retrain", project=project).json())
    http.post(f"/v1/jobs/{jobs[0]['id']}/cancel")
    with transaction(engine) as conn:
        ended, active, own = (table.get_by_job(conn, job["id"]).id for job in jobs)
        claimed = jobs_table.get(conn, jobs[2]["id"])
    unknown = str(uuid4())
    folders = [(ended, 1), (ended, 2), (unknown, 1), (active, 1), (own, 1), (own, 2), (own, 3)]
    for run_id, attempt in folders:
        left = settings.scratch / "training" / run_id / f"attempt-{attempt}"
        left.mkdir(parents=True)
        (left / "state.pt").write_bytes(b"left by a killed attempt")
    store = store_of(settings)
    for run_id in (ended, active, own):
        store.put_bytes(f"training/{run_id}/attempt-1/1/state.pt", b"left by a killed attempt")
    found: list[Path] = []

    def look(*_: object) -> None:
        found.extend((settings.scratch / "training").glob("*/attempt-*"))
        assert not list((settings.scratch / "training" / own / "attempt-3").iterdir())  # begins empty
        raise Conflict("seen", "as far as this test goes")

    monkeypatch.setattr(Trainer, "_train", look)
    trainer = Trainer(engine, store_of(settings), settings.scratch, "cpu", 1, 1, 2**30, child_environment())
    with pytest.raises(Conflict):
        trainer.work(Attempt(replace(claimed, attempt=3)))
    assert {(path.parent.name, path.name) for path in found} == {
        (active, "attempt-1"),  # another machine's, or a killed one's that will be tidied when its run ends
        (own, "attempt-2"),  # may still be writing
        (own, "attempt-3"),
    }
    assert not (settings.scratch / "training" / own / "attempt-3").exists()
    assert {item.key.split("/")[1] for item in store.list_("training/")} == {active, own}
    for job in jobs[1:]:
        http.post(f"/v1/jobs/{job['id']}/cancel")
