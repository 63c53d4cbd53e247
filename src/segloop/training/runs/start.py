"""Start a training run: freeze the cases and their split, and submit its job, in one transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection, IntegrityError
from segloop.errors import Conflict, InvalidInput
from segloop.imaging.labels import LabelSet
from segloop.jobs.job import Job, JobKind
from segloop.jobs.submit import not_beside, submit
from segloop.jobs.table import lock_training
from segloop.model_versions import table as model_versions_table
from segloop.model_versions.profiles import REGIONS
from segloop.projects import table as projects_table
from segloop.training.cases.case import Case, list_cases, usable
from segloop.training.policies import table as policies_table
from segloop.training.policies.policy import Kind, TrainingPolicy, current
from segloop.training.recipe import Recipe
from segloop.training.runs import table
from segloop.training.runs.lineage import Novelty, novelty
from segloop.training.split import Split, split

Trigger = Literal["manual", "automatic"]


@dataclass(frozen=True)
class Wanted:
    """What is asked for: the kind, fields of the recipe that differ, who asks and how."""

    kind: Kind
    recipe: dict[str, Any]
    trigger: Trigger
    actor: str


def start(
    conn: Connection,
    *,
    project_id: str,
    wanted: Wanted,
    request: dict[str, Any],
    idempotency_key: str | None = None,
) -> tuple[Job, bool]:
    """Accept a retraining and return (its job, whether it is new); nothing is stored where it is refused.

    A quick tune starts from the version in production and keeps its labels. A full retrain plans afresh for the newest
    label set; it is also how a project without any version gets its first.

    Raises:
        Conflict: `training_active` while a run of the project waits or runs; `no_model` for a quick tune without a
            version in production, `regions_not_tunable` for one of a version of overlapping regions; `test_patient_trained`, `test_patient_unknown`.
        InvalidInput: `too_few_corrections`, `too_few_cases`, `labels_missing`, `label_set_gaps`, `recipe_invalid`,
            `idempotency_key_reused`.
    """
    lock_training(conn, project_id=project_id)
    production = model_versions_table.find_production(conn, project_id=project_id)
    job, new = _submit(conn, project_id, wanted, production, request, idempotency_key)
    if not new:
        return job, False
    policy = current(conn, project_id=project_id)
    recipe = {**policy.recipes.get(wanted.kind, {}), **wanted.recipe}
    Recipe.from_dict({**Recipe().to_dict(), **recipe})
    label_set = _label_set(conn, project_id, wanted.kind, production)
    classes = [label.name for label in LabelSet.from_dicts(label_set.labels).labels]
    cases = usable(list_cases(conn, project_id=project_id))
    known = novelty(conn, project_id=project_id, production_id=production.id if production else None)
    if production is not None:
        _require_enough(conn, project_id, cases, known, policy, wanted.trigger)
    placed = _place(conn, project_id, cases, classes, policy)
    _require_labels(cases, placed, classes, wanted.kind)
    run = table.insert_run(
        conn,
        project_id=project_id,
        created_by=wanted.actor,
        kind=wanted.kind,
        trigger=wanted.trigger,
        job_id=job.id,
        parent_id=None if production is None else production.id,
        label_set_id=label_set.id,
        policy={**policy.to_dict(), "version": policy.version},
        recipe=recipe,
        log=_log(cases, placed, known),
    )
    _freeze(conn, run, cases, placed, known)
    record(
        conn,
        actor=wanted.actor,
        action="training_run.started",
        object_type="training_run",
        object_id=run.id,
        project_id=project_id,
        kind=wanted.kind,
        trigger=wanted.trigger,
    )
    return job, True


def _submit(
    conn: Connection,
    project_id: str,
    wanted: Wanted,
    production: Row[Any] | None,
    request: dict[str, Any],
    idempotency_key: str | None,
) -> tuple[Job, bool]:
    if wanted.kind == "quick_tune" and production is None:
        raise Conflict(
            "no_model",
            "There is no version in production to start from. Train the first one with a full retrain, or import one.",
        )
    if wanted.kind == "quick_tune" and production is not None and production.details.get(REGIONS):
        raise Conflict(
            "regions_not_tunable",
            "The version in production was trained on overlapping regions, from which a quick tune can't go on. Start a full "
            "retrain: its classes are the labels of the masks.",
        )
    try:
        with conn.begin_nested():
            return submit(
                conn,
                project_id=project_id,
                actor=wanted.actor,
                kind=JobKind.TRAIN,
                request=request,
                model_version_id=None if production is None else production.id,
                parameters={"training": wanted.kind},
                idempotency_key=idempotency_key,
            )
    except IntegrityError as error:
        raise not_beside(error) from None


def _label_set(conn: Connection, project_id: str, kind: Kind, production: Row[Any] | None) -> Row[Any]:
    if kind == "quick_tune" and production is not None:
        return projects_table.get_label_set(conn, production.label_set_id, project_id=project_id)
    sets = projects_table.list_label_sets(conn, project_id=project_id)
    if not sets:
        raise InvalidInput("labels_missing", "This project has no labels yet; append a label set first.")
    indices = [label["index"] for label in sets[0].labels]
    if sorted(indices) != list(range(1, len(indices) + 1)):
        raise InvalidInput(
            "label_set_gaps",
            "nnU-Net numbers its classes 1, 2, 3 ... without gaps, and this project's labels are not numbered so. Append the "
            "labels that are missing, or import a model for this label set.",
        )
    return sets[0]


def _require_enough(
    conn: Connection,
    project_id: str,
    cases: Sequence[Case],
    known: Novelty,
    policy: TrainingPolicy,
    trigger: Trigger,
) -> None:
    """Check the minimum of new corrections.

    A person counts what production has not learned from, so that after a bad run the same corrections can be used again; by
    itself nothing starts on what a run has taken up.
    """
    able = free(conn, project_id, cases)
    n = sum(known.starts(case) if trigger == "automatic" else known.is_new(case) for case in able)
    if n < policy.minimum_corrections:
        raise InvalidInput(
            "too_few_corrections",
            f"{n} of {policy.minimum_corrections} new corrections are there. Submit feedback on more cases, or lower "
            "the minimum in the training policy.",
            n=n,
            needed=policy.minimum_corrections,
        )


def free(conn: Connection, project_id: str, cases: Sequence[Case]) -> list[Case]:
    """Return the cases that may train: nothing is learned from test patients."""
    tested = {row.patient_id for row in policies_table.list_test_patients(conn, project_id=project_id)}
    return [case for case in cases if case.patient_id not in tested]


def _place(
    conn: Connection, project_id: str, cases: Sequence[Case], classes: Collection[str], policy: TrainingPolicy
) -> Split:
    trained = table.list_trained_patients(conn, project_id=project_id)
    frozen = {row.patient_id for row in policies_table.list_test_patients(conn, project_id=project_id)}
    facts = [case.facts(classes, trained_before=case.patient_id in trained) for case in cases]
    present = {case.patient_id for case in cases}
    return split(facts, policy.split_policy(project_id), frozen_patients=frozen & present)


def _require_labels(cases: Sequence[Case], placed: Split, classes: Sequence[str], kind: Kind) -> None:
    training = set(placed.cases("training"))
    seen = {
        name
        for case in cases
        if case.volume_id in training
        for name, n in case.voxels.items()
        if n > 0 and name in classes
    }
    missing = [name for name in classes if name not in seen] if kind == "full_retrain" or not seen else []
    if missing:
        raise InvalidInput(
            "labels_missing",
            f"No training case has these labels: {', '.join(missing)}. Add cases that show them.",
            labels=missing,
        )


def _freeze(conn: Connection, run: Row[Any], cases: Sequence[Case], placed: Split, known: Novelty) -> None:
    by_volume = {case.volume_id: case for case in cases}
    rows = []
    for one in placed.placed:
        case = by_volume[one.case_id]
        rows.append(
            {
                "training_run_id": run.id,
                "volume_id": case.volume_id,
                "project_id": run.project_id,
                "mask_id": case.mask_id,
                "patient_id": case.patient_id,
                "origin": case.origin,
                "reviewed": case.reviewed,
                "hu_offset": case.hu_offset,
                "part": one.part,
                "why": one.why,
                "is_new": known.is_new(case),
            }
        )
    table.insert_cases(conn, rows)
    tested = {one.patient_id for one in placed.placed if one.part in ("test", "held back")}
    policies_table.add_test_patients(
        conn, project_id=run.project_id, patient_ids=tested, why="the patient's hash", actor=run.created_by
    )


def _log(cases: Sequence[Case], placed: Split, known: Novelty) -> str:
    """Say where each case went and why, one a line."""
    by_volume = {case.volume_id: case for case in cases}
    lines = [f"{len(placed.placed)} cases"]
    for one in placed.placed:
        case = by_volume[one.case_id]
        novel = "new" if known.is_new(case) else "earlier"
        lines.append(f"{case.case_reference} ({novel}, {case.origin}): {one.part} - {one.why}")
    if placed.validates_on_training:
        lines.append("no patient fell to validation: the curves come from the training cases themselves")
    return "\n".join(lines) + "\n"
