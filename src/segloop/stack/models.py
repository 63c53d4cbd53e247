"""`segloop models import`: a trained nnU-Net v2 model becomes a registered model version."""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from segloop import database, storage
from segloop.accounts.actor import LOCAL_ACTOR
from segloop.errors import NotFound
from segloop.model_versions.register import register
from segloop.projects import table as projects
from segloop.settings import Settings
from segloop.training.comparisons.promotion import promote

CARD = "MODEL_CARD.md"


def import_model(
    environment: Mapping[str, str],
    path: Path,
    *,
    project: str,
    name: str | None,
    reason: str | None,
    orientation: str | None = None,
    say: Callable[[str], None],
) -> None:
    """Convert the model at `path` if needed, store it, and with a `reason` promote it; a repeat registers it once.

    `path` is a trained model folder, its export zip, or a bundle (a folder with model.json); `orientation` is the
    voxel order it was trained on, needed where its dataset.json does not say.

    Raises:
        NotFound: there is nothing at `path`, or no such project.
        InvalidInput: it is no nnU-Net v2 model, or not a safe one.
        Conflict: its labels are not those of the project.
    """
    if not path.exists():
        raise NotFound("no_such_file", f"There is nothing at {path}.")
    settings = Settings.from_env(environment)
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Path(scratch) / "bundle"
        _convert(path, bundle, orientation)
        model: dict[str, Any] = json.loads((bundle / "model.json").read_text())
        card = path / CARD
        store = storage.open_store(
            endpoint=settings.s3_endpoint,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key,
            bucket=settings.s3_bucket,
            secure=settings.s3_secure,
        )
        engine = database.narrow(database.open_engine(settings.database_url, pool_size=1), None)
        with database.transaction(engine) as conn:
            version, is_new = register(
                conn,
                store,
                project_id=projects.get(conn, project).id,
                folder=bundle,
                name=name or path.stem,
                labels=[label for label in model["labels"] if label["index"] != 0],
                orientation=model["orientation"],
                card=card.read_text() if card.exists() else "",
                details={key: model[key] for key in ("configuration", "folds", "channels") if key in model},
                actor=LOCAL_ACTOR,
            )
            if reason:
                promote(conn, version.id, actor=LOCAL_ACTOR, reason=reason)
    live = " and is in production from the next job on" if reason else ""
    say(f"v{version.number} '{version.name}' {'registered' if is_new else 'was registered already'}{live}")


def _convert(path: Path, target: Path, orientation: str | None) -> None:
    # Imported here: every other command does without torch, which takes seconds to load.
    from segloop.nnunet.bundle import import_model as convert

    target.mkdir()
    convert(path, target, orientation=orientation)
