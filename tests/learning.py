"""A project that learns in a test: a small network in production, phantoms of patients, and a trainer beside the API."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from segloop.database import Engine, transaction
from segloop.imaging.phantom import head_and_neck
from segloop.jobs.job import Job
from segloop.jobs.run import Limits, run_next
from segloop.model_versions import promote, register
from segloop.nnunet.bundle import import_model
from segloop.nnunet.workspace import Workspace
from segloop.projects import table as projects_table
from segloop.settings import Settings, child_environment
from segloop.storage import ObjectStore, open_store
from segloop.training.recipe import Recipe
from services.trainer.evaluate import Evaluator
from services.trainer.tasks import works
from services.trainer.train import Trainer
from tests.integration.editing import upload
from tests.training_runs import NAMES, make_workspace

SHAPE, SPACING_MM = (36, 32, 34), (8.0, 8.0, 8.0)
SHORT = {"n_epochs": 2, "iterations_per_epoch": 3, "validation_iterations": 1, "threads": 1}
LIMITS = Limits(lease_s=30.0, heartbeat_s=0.2, max_failures=3, max_interruptions=5)


def store_of(settings: Settings) -> ObjectStore:
    return open_store(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        bucket=settings.s3_bucket,
    )


def small_bundle(folder: Path, *, recipe: Recipe | None = None) -> Path:
    """Return the bundle of a three-stage network that trained on two phantoms, for as long as the recipe says."""
    from segloop.nnunet.trainer import LoopTrainer

    workspace: Workspace = make_workspace(folder, recipe or Recipe(1, 2, 1, threads=1))
    trainer = LoopTrainer.open(workspace.folder)
    trainer.run_training()
    import_model(trainer.trained_folder, folder / "trained")
    return folder / "trained"


def put_into_production(
    engine: Engine, settings: Settings, bundle: Path, *, name: str = "first", project: str = "default"
) -> Any:
    """Register a bundle in a project and promote it."""
    with transaction(engine) as conn:
        version, _ = register.register(
            conn,
            store_of(settings),
            project_id=projects_table.get(conn, project).id,
            folder=bundle,
            name=name,
            labels=[{"name": label, "index": i} for i, label in enumerate(NAMES, 1)],
            orientation="RAS",
            card="",
            details={},
            actor="tester",
        )
        return promote.promote(conn, version.id, actor="tester", reason="the first")


def phantom(seed: int) -> tuple[Any, Any, Any]:
    """Return CT, truth and affine of a small phantom."""
    volume, truth, geometry = head_and_neck(shape=SHAPE, spacing_mm=SPACING_MM, seed=seed, orientation="LPS")
    return volume, truth.astype(np.uint8), geometry.affine


def upload_case(
    http: httpx.Client, seed: int, *, patient: str | None = None, project: str = "default", **of_mask: object
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Upload a phantom and its truth as ground truth; return (volume, mask)."""
    ct, truth, affine = phantom(seed)
    volume = upload(
        http,
        ct,
        affine,
        project=project,
        patient_reference=patient or f"patient {seed}",
        case_reference=f"case {seed}",
    )
    kind = {"purpose": "mask", "mask_kind": "ground_truth", **of_mask}
    return volume, upload(http, truth, affine, project=project, volume_id=volume["id"], **kind)


def train(
    http: httpx.Client, kind: str = "quick_tune", *, project: str = "default", **recipe: object
) -> httpx.Response:
    """Ask for a retraining."""
    parameters = {"training": kind, "recipe": {**SHORT, **recipe}}
    return http.post("/v1/jobs", json={"kind": "train", "project_id": project, "parameters": parameters})


def new_project(http: httpx.Client, slug: str, names: Sequence[str] = NAMES, **policy: object) -> str:
    """Create a project with labels and a training policy, and return its slug."""
    labels = [{"index": i, "name": name, "color": "#888888"} for i, name in enumerate(names, 1)]
    made = http.post("/v1/projects", json={"slug": slug, "name": slug, "labels": labels})
    assert made.status_code == 201, made.text
    if policy:
        changed = http.patch(f"/v1/projects/{slug}/training-policy", json=policy)
        assert changed.status_code == 200, changed.text
    return slug


def trainer_of(engine: Engine, settings: Settings) -> Callable[[], Job | None]:
    """Return what does the training queue's next job in this process, as the trainer would."""
    store = store_of(settings)
    trainer = Trainer(engine, store, settings.scratch, "cpu", 1, 1, 2**30, child_environment())
    evaluator = Evaluator(engine, store, settings.scratch, "cpu", 1)
    kinds = works(trainer, evaluator)
    return lambda: run_next(engine, queue="training", works=kinds, worker="trainer", limits=LIMITS)
