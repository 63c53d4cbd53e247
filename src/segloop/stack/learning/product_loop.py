"""The loop through the product itself: its API, its queue, its trainer, its gate and its store."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segloop import database, storage
from segloop.model_versions import table as model_versions_table
from segloop.model_versions.fetch import fetch_bundle
from segloop.settings import Settings
from segloop.stack import models
from segloop.stack.learning import scoring
from segloop.stack.learning.dataset import RawDataset
from segloop.stack.learning.folds import Fold
from segloop.stack.learning.loop import Retrained
from segloop.stack.learning.product import Json, Product
from segloop.stack.learning.reviewed import WHOLE
from segloop.stack.learning.small_net import keep
from segloop.training.protocol import CaseScores
from segloop.training.recipe import Recipe
from segloop.training.target import ReviewedRegion

OVERRIDE = "simulated admin: too few test patients to decide, and nothing was found against it"
PASSED = "simulated admin: every check of the comparison passed"


@dataclass
class ProductLoop:
    """A `Loop` over one fold in a project of its own; a version is its id.

    What has been sent is noted in `folder`, so that a repeat sends nothing twice.
    """

    product: Product
    environment: Mapping[str, str]
    data: RawDataset
    folder: Path
    fold: Fold
    recipe: Recipe
    policy: Mapping[str, Any]
    scored: dict[tuple[str, ...], Sequence[CaseScores]] = field(default_factory=dict)

    def open(self, first: Path) -> None:
        """Make the project: the first model in production, its cases, and the patients kept for the gate.

        The first half of those (at least two) is segmented and corrected, so that the gate sees where people had to
        correct; of the others the true masks are uploaded.
        """
        self.product.open(self.data, self.policy)
        if not self.product.versions():
            models.import_model(
                self.environment,
                first,
                project=self.product.slug,
                name="first",
                reason="the simulated project begins with it",
                say=lambda _: None,
            )
        for patient_id in self.fold.start:
            self._once("start", patient_id)
        gate = self.fold.gate
        volumes = [self.product.volume(self.data.load(patient_id)) for patient_id in gate]
        self.product.call(
            "POST", f"/projects/{self.product.slug}/test-patients", json={"volume_ids": volumes}
        )
        n_corrected = max(2, len(gate) // 2)
        for i, patient_id in enumerate(gate):
            self._once("gate", patient_id, WHOLE if i < n_corrected else None)

    def feed(self, patient_id: str, region: ReviewedRegion) -> None:
        """Upload a CT, have it segmented by the version in production, and correct the result within `region`."""
        self._once("fed", patient_id, region)

    def _once(self, role: str, patient_id: str, region: ReviewedRegion | None = None) -> None:
        note = self.folder / role / f"{patient_id}.json"
        if note.exists():
            return
        patient = self.data.load(patient_id)
        volume_id = self.product.volume(patient)
        if region is None:
            mask_id = self.product.ground_truth(patient, volume_id)
        else:
            base = self.product.segment(volume_id, f"{role}-{patient_id}")
            mask_id = self.product.correct(volume_id, base, patient, region)
        keep(note, {"volume": volume_id, "mask": mask_id})

    def retrain(self, key: str) -> Retrained:
        """Queue a quick tune, wait for the candidate and its comparison, and promote as the rules allow.

        *promote* goes live, *not enough cases* goes live with a typed reason, *reject* does not: the next round starts
        from the version in production again.
        """
        note = self.folder / f"{key}.json"
        if note.exists():
            return Retrained(**json.loads(note.read_text()))
        parameters = {"training": "quick_tune", "recipe": self.recipe.to_dict()}
        job = self.product.job({"kind": "train", "parameters": parameters}, key)
        run = self._run(job["id"])
        candidate = self.product.call("GET", f"/model-versions/{run['version_id']}").json()
        comparison = self._comparison(candidate["id"])
        done = self._decide(candidate, comparison["outcome"])
        production = self.product.production()
        decision = comparison["decision"]
        gate = {
            "outcome": comparison["outcome"],
            "summary": decision["summary"],
            "reasons": decision["reasons"],
            "n_patients": decision["n_patients"],
            "done": done,
            "candidate": f"v{candidate['number']}",
            "production": f"v{production['number']}",
            "training_s": job["timings"],
        }
        keep(note, {"version": production["id"], "gate": gate, "candidate": candidate["id"]})
        return Retrained(production["id"], gate, candidate["id"])

    def _run(self, job_id: str) -> Json:
        found = self.product.call("GET", f"/projects/{self.product.slug}/training-runs").json()["items"]
        return next(run for run in found if run["job_id"] == job_id)

    def _comparison(self, version_id: str) -> Json:
        """Return the gate's verdict on a candidate; its job was queued by the end of the training."""
        listed = self.product.call("GET", "/jobs", params={"project_id": self.product.slug, "limit": 200})
        for job in listed.json()["items"]:
            if (job["kind"], job["model_version_id"]) == ("evaluate", version_id):
                self.product.wait(job)
        found: list[Json] = self.product.call("GET", f"/model-versions/{version_id}/comparisons").json()[
            "items"
        ]
        return found[0]

    def _decide(self, candidate: Json, outcome: str) -> str:
        if outcome == "reject":
            return "not promoted"
        if candidate["stage"] == "candidate":
            reason = PASSED if outcome == "promote" else OVERRIDE
            self.product.call("POST", f"/model-versions/{candidate['id']}/promote", json={"reason": reason})
        return "promoted" if outcome == "promote" else "promoted as an override"

    def evaluate(self, version: str, patients: Sequence[str]) -> Sequence[CaseScores]:
        """Predict with the version's bundle as the store has it, with one thread, and compare; once per version."""
        key = (version, *patients)
        if key not in self.scored:  # after a reject, the version in production is that of the round before
            self.scored[key] = self._score(version, patients)
        return self.scored[key]

    def _score(self, version: str, patients: Sequence[str]) -> Sequence[CaseScores]:
        settings = Settings.from_env(self.environment)
        store = storage.open_store(
            endpoint=settings.s3_endpoint,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key,
            bucket=settings.s3_bucket,
            secure=settings.s3_secure,
        )
        engine = database.narrow(database.open_engine(settings.database_url, pool_size=1), None)
        with database.transaction(engine) as conn:
            row = model_versions_table.get(conn, version)
        engine.dispose()
        with tempfile.TemporaryDirectory() as folder:
            fetch_bundle(store, row, Path(folder))
            return scoring.score(Path(folder), self.data, patients)
