"""Promotion: one version in production whatever races or dies, and never against the comparison."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert, text

from segloop.database import Connection, Engine, open_engine, transaction
from segloop.errors import Conflict, Forbidden, InvalidInput, SegloopError
from segloop.jobs.submit import cancel
from segloop.model_versions import register, table
from segloop.model_versions.register import StoredBundle
from segloop.projects import table as projects_table
from segloop.settings import Settings
from segloop.training.comparisons import compare, promotion
from segloop.training.comparisons import table as comparisons_table
from tests.conftest import ROOT

REASON = "checked by hand on ten cases"


@pytest.fixture(scope="module")
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url, pool_size=16)
    yield engine
    engine.dispose()


@pytest.fixture
def versions(engine: Engine) -> list[Any]:
    """Four versions of a project of their own, the first in production."""
    slug = f"p{time.monotonic_ns()}"
    with transaction(engine) as conn:
        project = projects_table.insert_project(conn, slug=slug, name=slug, actor="t")
        labels = projects_table.insert_label_set(
            conn, project_id=project.id, labels=[{"index": 1, "name": "a"}], actor="t"
        )
        found = [
            table.insert_version(
                conn,
                project_id=project.id,
                created_by="t",
                name=f"version {i}",
                label_set_id=labels.id,
                object_key=f"{slug}/{i}",
                sha256=f"{slug}/{i}",
                size_bytes=1,
                orientation="RAS",
            )
            for i in range(4)
        ]
        promotion.promote(conn, found[0].id, actor="t", reason=REASON)
    return found


def stages(engine: Engine, versions: list[Any]) -> list[str]:
    with transaction(engine) as conn:
        return [table.get(conn, version.id).stage for version in versions]


def compared(engine: Engine, candidate: Any, production: Any | None, outcome: str) -> None:
    with transaction(engine) as conn:
        job = conn.execute(
            insert(_jobs())
            .values(
                project_id=candidate.project_id,
                created_by="t",
                kind="evaluate",
                queue="none",
                priority=10,
            )
            .returning(_jobs().c.id)
        ).scalar_one()
        evaluation = comparisons_table.insert_evaluation(
            conn,
            project_id=candidate.project_id,
            created_by="t",
            model_version_id=candidate.id,
            job_id=job,
            cases_sha256="x",
            scores={"frozen": [], "corrected": []},
        )
        comparisons_table.insert_comparison(
            conn,
            project_id=candidate.project_id,
            created_by="t",
            candidate_id=candidate.id,
            production_id=None if production is None else production.id,
            candidate_evaluation_id=evaluation.id,
            production_evaluation_id=None,
            outcome=outcome,
            decision={},
        )


def _jobs() -> Any:
    from segloop.jobs.table import jobs

    return jobs


def promote(engine: Engine, version: Any, reason: str = REASON, **more: Any) -> Any:
    with transaction(engine) as conn:
        return promotion.promote(conn, version.id, actor="admin", reason=reason, **more)


def test_fifteen_racing_promotions_leave_one_version_in_production(
    engine: Engine, versions: list[Any]
) -> None:
    failed: list[Exception] = []

    def race(version: Any) -> None:
        try:
            promote(engine, version)
        except SegloopError as error:
            failed.append(error)

    threads = [threading.Thread(target=race, args=(versions[i % 3 + 1],)) for i in range(15)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert sorted(stages(engine, versions)).count("production") == 1
    with transaction(engine) as conn:
        changes = [
            change
            for version in versions
            for change in comparisons_table.list_stage_changes(conn, model_version_id=version.id)
        ]
    promoted = sum(change.stage == "production" for change in changes)
    assert promoted == sum(change.stage == "retired" for change in changes) + 1


def test_a_promotion_killed_half_way_leaves_the_old_version_serving(
    engine: Engine, versions: list[Any], settings: Settings
) -> None:
    code = (
        "import sys, time\n"
        "from segloop.database import open_engine, transaction\n"
        "from segloop.training.comparisons.promotion import promote\n"
        "with transaction(open_engine(sys.argv[1])) as conn:\n"
        f"    promote(conn, sys.argv[2], actor='admin', reason={REASON!r})\n"
        "    print('half way', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, settings.database_url, versions[1].id]
    with subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"half way\n"
        process.send_signal(signal.SIGKILL)
    assert stages(engine, versions)[:2] == ["production", "candidate"]
    promote(engine, versions[1])  # the lock went with the process
    assert stages(engine, versions)[:2] == ["retired", "production"]


def test_nobody_promotes_a_reject_and_policy_promotes_only_what_passed(
    engine: Engine, versions: list[Any]
) -> None:
    compared(engine, versions[1], versions[0], "reject")
    for more in ({}, {"role": "policy", "automatic": True}):
        with pytest.raises(Conflict) as refused:
            promote(engine, versions[1], **more)
        assert refused.value.code == "gate_rejected"
    compared(engine, versions[2], versions[0], "not_enough_cases")
    with pytest.raises(Forbidden):
        promote(engine, versions[2], role="policy", automatic=True)
    compared(engine, versions[3], versions[0], "promote")
    promote(engine, versions[3], reason="", role="policy", automatic=True)
    assert stages(engine, versions) == ["retired", "candidate", "candidate", "production"]


def test_an_override_needs_a_typed_reason_and_is_recorded(engine: Engine, versions: list[Any]) -> None:
    compared(engine, versions[1], versions[0], "not_enough_cases")
    with pytest.raises(InvalidInput) as refused:
        promote(engine, versions[1], reason="fine")
    assert refused.value.code == "promotion_reason"
    promote(engine, versions[1])
    with transaction(engine) as conn:
        (change,) = comparisons_table.list_stage_changes(conn, model_version_id=versions[1].id)
    assert change.is_override and change.reason == REASON and change.comparison_id is not None


def test_a_comparison_with_another_version_than_the_one_in_production_says_nothing(
    engine: Engine, versions: list[Any]
) -> None:
    compared(engine, versions[1], versions[0], "promote")
    promote(engine, versions[2])
    with pytest.raises(InvalidInput):
        promote(engine, versions[1], reason="ok")
    compared(engine, versions[1], versions[2], "promote")
    promote(engine, versions[1], reason="ok")


def test_who_lost_against_another_version_is_compared_with_the_present_one_before(
    engine: Engine, versions: list[Any]
) -> None:
    promote(engine, versions[1])
    compared(engine, versions[2], versions[1], "reject")
    promote(engine, versions[0])  # rolled back
    with pytest.raises(Conflict) as refused:
        promote(engine, versions[2])
    assert refused.value.code == "comparison_missing"
    compared(engine, versions[2], versions[0], "not_enough_cases")
    promote(engine, versions[2])
    assert stages(engine, versions)[2] == "production"


def test_nobody_promotes_what_is_being_compared(engine: Engine, versions: list[Any]) -> None:
    with transaction(engine) as conn:
        job, _ = compare.request(
            conn,
            project_id=versions[1].project_id,
            model_version_id=versions[1].id,
            actor="t",
            body={"kind": "evaluate"},
        )
    with pytest.raises(Conflict) as refused:
        promote(engine, versions[1])
    assert refused.value.code == "comparison_missing"
    with transaction(engine) as conn:
        cancel(conn, job.id, actor="t")
    promote(engine, versions[1])
    assert stages(engine, versions)[1] == "production"


def test_nobody_promotes_what_could_not_be_compared(engine: Engine, versions: list[Any]) -> None:
    body = {"project_id": versions[1].project_id, "model_version_id": versions[1].id}
    with transaction(engine) as conn:
        job, _ = compare.request(conn, **body, actor="t", body={"kind": "evaluate"})
        conn.execute(
            text("UPDATE jobs SET state='failed', error_code='prediction_overflow' WHERE id=:id"),
            {"id": job.id},
        )
    with pytest.raises(Conflict) as refused:
        promote(engine, versions[1])
    assert refused.value.code == "comparison_failed" and "prediction_overflow" in refused.value.message
    assert stages(engine, versions)[1] == "candidate"
    compared(engine, versions[1], versions[0], "not_enough_cases")
    promote(engine, versions[1])


def test_rolling_back_takes_a_reason_and_no_comparison(engine: Engine, versions: list[Any]) -> None:
    promote(engine, versions[1])
    compared(engine, versions[0], versions[1], "reject")
    with pytest.raises(InvalidInput):
        promote(engine, versions[0], reason=" ")
    promote(engine, versions[0], reason="glands got worse")
    assert stages(engine, versions)[:2] == ["production", "retired"]


def test_a_rejected_version_stays_out_and_the_one_in_production_can_not_be_rejected(
    engine: Engine, versions: list[Any]
) -> None:
    with transaction(engine) as conn:
        promotion.reject(conn, versions[1].id, actor="admin", reason="misses the larynx")
        assert promotion.reject(conn, versions[1].id, actor="admin", reason="again").stage == "rejected"
    with pytest.raises(Conflict) as refused:
        promote(engine, versions[1])
    assert refused.value.code == "model_version_rejected"
    with transaction(engine) as conn, pytest.raises(Conflict) as refused:
        promotion.reject(conn, versions[0].id, actor="admin", reason="no")
    assert refused.value.code == "model_version_in_production"


def test_policy_never_brings_back_a_retired_version_over_one_it_was_not_compared_with(
    engine: Engine, versions: list[Any]
) -> None:
    promote(engine, versions[1])
    compared(engine, versions[0], versions[1], "promote")
    promote(engine, versions[2])  # by a person, while the comparison was being made
    with pytest.raises(Forbidden):
        promote(engine, versions[0], reason="", role="policy", automatic=True)
    assert stages(engine, versions) == ["retired", "retired", "production", "candidate"]


def test_a_bundle_that_another_is_registering_just_now_is_one_version(
    engine: Engine, versions: list[Any]
) -> None:
    found: list[Any] = []

    def insert_it(conn: Connection) -> None:
        version, new = register.insert(
            conn,
            StoredBundle("key", f"bytes of {versions[0].id}", 1, {}),
            project_id=versions[0].project_id,
            name="one",
            labels=[{"name": "a", "index": 1}],
            orientation="RAS",
            card="",
            details={},
            actor="t",
        )
        found.append((version.id, new))

    def second() -> None:
        with transaction(engine) as conn:
            insert_it(conn)

    thread = threading.Thread(target=second)
    with transaction(engine) as conn:
        insert_it(conn)
        thread.start()
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        while not conn.execute(waiting).scalar_one():  # until the second has come as far as it can
            time.sleep(0.02)
    thread.join()
    assert [new for _, new in found] == [True, False] and found[0][0] == found[1][0]
