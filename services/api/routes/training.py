"""Training: the policy, how far the corrections are, test patients, and runs. A run is asked for as a job."""

from typing import Any

from fastapi import APIRouter

from segloop import schemas
from segloop.database import Connection
from segloop.projects import table as projects_table
from segloop.training import overview
from segloop.training.policies import policy as policies
from segloop.training.policies.freeze import freeze
from segloop.training.runs import automatic, table
from services.api.deps import ActorDep, ConnectionDep, LimitDep, require_uuid

router = APIRouter(tags=["training"])


@router.get("/projects/{project}/training-policy")
def get_policy(project: str, conn: ConnectionDep) -> schemas.Policy:
    """Return the training policy in force."""
    return _policy(policies.current(conn, project_id=projects_table.get(conn, project).id))


@router.patch("/projects/{project}/training-policy")
def change_policy(
    project: str, body: schemas.PolicyChange, conn: ConnectionDep, actor: ActorDep
) -> schemas.Policy:
    """Change the training policy; each change is a new version of it, and may make a retraining due."""
    project_id = projects_table.get(conn, project).id
    values = body.model_dump(exclude_none=True)
    policy = policies.change(conn, project_id=project_id, actor=actor.name, **values)
    automatic.start_if_due(conn, project_id=project_id, actor=actor.name)
    return _policy(policy)


@router.get("/projects/{project}/training-state")
def get_state(project: str, conn: ConnectionDep) -> schemas.LearningState:
    """Say how far the corrections are from a retraining, and what could be tested on."""
    state = overview.state(conn, project_id=projects_table.get(conn, project).id)
    return schemas.LearningState.model_validate(vars(state))


@router.get("/projects/{project}/training-cases")
def list_cases(project: str, conn: ConnectionDep) -> schemas.Page[schemas.TrainingCase]:
    """List what a run would learn from or be tested on now, oldest decision first."""
    found = overview.cases(conn, project_id=projects_table.get(conn, project).id)
    return schemas.Page(items=[schemas.TrainingCase.model_validate(item) for item in found])


@router.post("/projects/{project}/test-patients", status_code=201)
def freeze_patients(
    project: str, body: schemas.NewTestPatients, conn: ConnectionDep, actor: ActorDep
) -> schemas.LearningState:
    """Freeze the patients of these volumes for tests, for good; who was trained on can't be."""
    project_id = projects_table.get(conn, project).id
    ids = [require_uuid(volume_id) for volume_id in body.volume_ids]
    freeze(conn, project_id=project_id, volume_ids=ids, actor=actor.name)
    return schemas.LearningState.model_validate(vars(overview.state(conn, project_id=project_id)))


@router.get("/projects/{project}/training-runs")
def list_runs(
    project: str, conn: ConnectionDep, limit: LimitDep = 50
) -> schemas.Page[schemas.TrainingRunSummary]:
    """List a project's training runs, newest first."""
    rows = table.list_(conn, project_id=projects_table.get(conn, project).id, limit=limit)
    return schemas.Page(items=[schemas.TrainingRunSummary.model_validate(row) for row in rows])


@router.get("/training-runs/{training_run_id}")
def get_run(training_run_id: str, conn: ConnectionDep) -> schemas.TrainingRun:
    """Return a run with its curves, log and cases; cancel it as its job."""
    run = table.get(conn, require_uuid(training_run_id))
    return present_run(conn, run)


def present_run(conn: Connection, run: Any) -> schemas.TrainingRun:
    """Return a run as the API shows it."""
    beat = run.heartbeat
    cases = [schemas.RunCase.model_validate(row) for row in table.list_cases(conn, run.id)]
    values = {name: getattr(run, name) for name in schemas.TrainingRunSummary.model_fields}
    return schemas.TrainingRun(
        **values,
        policy=run.policy,
        recipe=run.recipe,
        epochs=run.epochs,
        iteration=beat.get("iteration"),
        n_iterations=beat.get("n_iterations"),
        remaining_s=beat.get("remaining_s") if run.state == "running" else None,
        log=run.log,
        cases=cases,
    )


def _policy(policy: policies.TrainingPolicy) -> schemas.Policy:
    return schemas.Policy.model_validate({**policy.to_dict(), "version": policy.version})
