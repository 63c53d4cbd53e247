"""Where a project's learning stands: its cases, what is new of them, and whether a retraining is due."""

from dataclasses import dataclass
from typing import Any

from segloop.database import Connection
from segloop.imaging.labels import LabelSet
from segloop.model_versions import table as model_versions_table
from segloop.projects import table as projects_table
from segloop.training.cases.case import list_cases, usable
from segloop.training.policies import table as policies_table
from segloop.training.policies.policy import current
from segloop.training.runs import automatic, table
from segloop.training.runs.lineage import Novelty, novelty
from segloop.training.split import part_of

ACTIVE = ("queued", "running")


@dataclass(frozen=True)
class State:
    """Counts of a project's cases; see `schemas.LearningState`."""

    n_cases: int
    n_usable: int
    n_new: int
    n_counting: int
    n_test_patients: int
    n_validating: int
    n_frozen_cases: int
    n_corrected_cases: int
    is_due: bool
    active_run_id: str | None


def state(conn: Connection, *, project_id: str) -> State:
    """Return a project's counts."""
    found = list_cases(conn, project_id=project_id)
    able, known, tested = usable(found), _novelty(conn, project_id), _tested(conn, project_id)
    tests = usable(list_cases(conn, project_id=project_id, for_tests=True))
    held = [case for case in tests if case.patient_id in tested]
    free = [case for case in able if case.patient_id not in tested]
    classes = _classes(conn, project_id)
    rule = current(conn, project_id=project_id).split_policy(project_id)
    runs = table.list_(conn, project_id=project_id, limit=1)
    return State(
        n_cases=len(found),
        n_usable=len(able),
        n_new=sum(known.is_new(case) for case in free),
        n_counting=sum(known.counts(case) for case in free),
        n_test_patients=len(tested),
        n_validating=sum(part_of(case.patient_id, rule) == "validation" for case in free),
        n_frozen_cases=sum(case.is_reference(classes) for case in held),
        n_corrected_cases=sum(case.is_corrected for case in held),
        is_due=automatic.is_due(conn, project_id=project_id),
        active_run_id=next((run.id for run in runs if run.state in ACTIVE), None),
    )


def cases(conn: Connection, *, project_id: str) -> list[dict[str, Any]]:
    """Return each case with how it stands, oldest decision first."""
    known, tested, classes = _novelty(conn, project_id), _tested(conn, project_id), _classes(conn, project_id)
    rule = current(conn, project_id=project_id).split_policy(project_id)
    return [
        {
            **vars(case),
            "is_new": known.is_new(case),
            "is_dense": case.is_dense(classes),
            "is_reference": case.is_reference(classes),
            "is_test": case.patient_id in tested,
            "is_validation": case.patient_id not in tested and part_of(case.patient_id, rule) == "validation",
            "why_not": case.why_not,
        }
        for case in list_cases(conn, project_id=project_id)
    ]


def _novelty(conn: Connection, project_id: str) -> Novelty:
    production = model_versions_table.find_production(conn, project_id=project_id)
    return novelty(conn, project_id=project_id, production_id=production.id if production else None)


def _tested(conn: Connection, project_id: str) -> set[str]:
    return {row.patient_id for row in policies_table.list_test_patients(conn, project_id=project_id)}


def _classes(conn: Connection, project_id: str) -> list[str]:
    """Return the labels of the version in production, or of the newest label set."""
    production = model_versions_table.find_production(conn, project_id=project_id)
    if production is not None:
        row = projects_table.get_label_set(conn, production.label_set_id, project_id=project_id)
        return [label.name for label in LabelSet.from_dicts(row.labels).labels]
    sets = projects_table.list_label_sets(conn, project_id=project_id)
    return [label.name for label in LabelSet.from_dicts(sets[0].labels).labels] if sets else []
