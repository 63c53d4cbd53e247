"""Ask for a comparison, and store its verdict."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import Conflict, SegloopError
from segloop.imaging.labels import LabelSet
from segloop.jobs.job import Job, JobKind
from segloop.jobs.submit import submit
from segloop.model_versions import table as model_versions_table
from segloop.projects import table as projects_table
from segloop.training.cases.case import Case, list_cases, usable
from segloop.training.comparisons import stored, table
from segloop.training.comparisons.promotion import promote
from segloop.training.gate import Decision, decide
from segloop.training.policies import table as policies_table
from segloop.training.policies.policy import current
from segloop.training.protocol import Evaluation

POLICY = "policy"
"""The actor's name where a project's policy promotes."""


@dataclass(frozen=True)
class HeldOut:
    """A project's test cases: `frozen` have dense labels; `corrected` are those where people had to correct."""

    frozen: tuple[Case, ...]
    corrected: tuple[Case, ...]

    @property
    def all(self) -> list[Case]:
        """Every case once, by volume."""
        by_volume = {case.volume_id: case for case in (*self.frozen, *self.corrected)}
        return [by_volume[volume_id] for volume_id in sorted(by_volume)]


def held_out(conn: Connection, *, project_id: str, classes: list[str]) -> HeldOut:
    """Return the newest masks of the project's test patients.

    Dense ones are frozen test cases; a version's unchanged output is none, whoever accepted it. Those that stem from a
    correction, dense or not, show whether a candidate is better where people had to correct; nobody learned from them.
    """
    tested = {row.patient_id for row in policies_table.list_test_patients(conn, project_id=project_id)}
    found = usable(list_cases(conn, project_id=project_id, for_tests=True))
    cases = [case for case in found if case.patient_id in tested]
    return HeldOut(
        tuple(case for case in cases if case.is_reference(classes)),
        tuple(case for case in cases if case.is_corrected),
    )


def request(
    conn: Connection,
    *,
    project_id: str,
    model_version_id: str,
    actor: str,
    body: dict[str, Any],
    idempotency_key: str | None = None,
) -> tuple[Job, bool]:
    """Submit the comparison of a version with the one in production; return (job, whether it is new).

    Raises:
        NotFound: `model_version_unknown`.
        Conflict: `comparison_with_itself`.
    """
    version = model_versions_table.get(conn, model_version_id)
    if version.project_id != project_id:
        raise model_versions_table.unknown()
    if version.stage == "production":
        raise Conflict(
            "comparison_with_itself", "This version is in production: there is nothing to compare it with."
        )
    return submit(
        conn,
        project_id=project_id,
        actor=actor,
        kind=JobKind.EVALUATE,
        request=body,
        model_version_id=version.id,
        idempotency_key=idempotency_key,
    )


def class_names(conn: Connection, version: Row[Any]) -> list[str]:
    """Return the names of a version's labels, in order of index."""
    row = projects_table.get_label_set(conn, version.label_set_id, project_id=version.project_id)
    return [label.name for label in LabelSet.from_dicts(row.labels).labels]


@dataclass(frozen=True)
class Measured:
    """What one evaluation job found: the candidate's results, and production's where there is one."""

    candidate: Row[Any]
    candidate_results: Evaluation
    production: Row[Any] | None
    production_results: Evaluation | None
    cases: tuple[tuple[str, str], ...]


def conclude(conn: Connection, measured: Measured, *, job: Job) -> Decision:
    """Store both evaluations and the verdict; where the policy says so, promote what passed every check.

    Labels are judged where both versions know them: a label that is new can't be worse than before.
    """
    project_id, candidate, production = job.project_id, measured.candidate, measured.production
    policy = current(conn, project_id=project_id)
    labels = class_names(conn, candidate)
    before = [] if production is None else class_names(conn, production)
    shared = [name for name in labels if name in before]
    decision = decide(
        measured.production_results if shared else None,
        measured.candidate_results,
        policy.protocol(shared or labels),
    )
    ids = [
        None if version is None or results is None else _insert(conn, version, results, measured.cases, job)
        for version, results in (
            (candidate, measured.candidate_results),
            (production, measured.production_results),
        )
    ]
    comparison = table.insert_comparison(
        conn,
        project_id=project_id,
        created_by=job.created_by,
        candidate_id=candidate.id,
        production_id=None if production is None else production.id,
        candidate_evaluation_id=ids[0],
        production_evaluation_id=ids[1],
        outcome=decision.outcome,
        decision=decision.to_dict(),
    )
    record(
        conn,
        actor=job.created_by,
        action="model_version.compared",
        object_type="model_version",
        object_id=candidate.id,
        project_id=project_id,
        comparison_id=comparison.id,
        outcome=decision.outcome,
    )
    if policy.automatic_promotion and decision.outcome == "promote":
        _promote_by_policy(conn, candidate)
    return decision


def _insert(
    conn: Connection,
    version: Row[Any],
    results: Evaluation,
    cases: tuple[tuple[str, str], ...],
    job: Job,
) -> str:
    row = table.insert_evaluation(
        conn,
        project_id=job.project_id,
        created_by=job.created_by,
        model_version_id=version.id,
        job_id=job.id,
        cases_sha256=stored.cases_sha256(cases),
        scores=stored.to_json(results),
    )
    return str(row.id)


def _promote_by_policy(conn: Connection, candidate: Row[Any]) -> None:
    """Promote, unless production changed since: then the comparison says nothing of it, and a person decides."""
    try:
        with conn.begin_nested():
            promote(conn, candidate.id, actor=POLICY, reason="", role="policy", automatic=True)
    except SegloopError:
        return
