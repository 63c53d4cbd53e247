"""The use case of the worker: fetch a volume, predict with the pinned model version, store the mask."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from segloop.database import Connection, Engine, transaction
from segloop.imaging.labels import LabelSet
from segloop.jobs.run import Attempt, Finish, Rest, Stopped
from segloop.masks import save
from segloop.model_versions import table as model_versions_table
from segloop.model_versions.fetch import fetch_bundle
from segloop.model_versions.profiles import Profile
from segloop.nnunet.memory import available_bytes
from segloop.nnunet.predict import Cancelled, Mask, Predictor
from segloop.projects import table as projects_table
from segloop.storage import ObjectStore
from segloop.volumes import table as volumes_table
from segloop.volumes import voxels
from segloop.volumes.ingest import geometry_of
from services.worker_gpu.model_cache import ModelCache

PREDICTING = (0.1, 0.9)
"""Share of the whole job's progress between which the prediction runs."""


@dataclass(frozen=True)
class Segmenter:
    """The worker's clients and its warm models."""

    engine: Engine
    store: ObjectStore
    cache: ModelCache
    scratch: Path
    device: str
    threads: int
    available: Callable[[], int] = available_bytes
    """How many bytes of memory are free."""

    def work(self, attempt: Attempt) -> Rest:
        """Segment the job's volume; to encode and store the mask is left for beside the next job."""
        job = attempt.job
        with transaction(self.engine) as conn:
            volume = volumes_table.get(conn, job.volume_id or "")
            version = model_versions_table.get(conn, job.model_version_id or "")
            label_set = projects_table.get_label_set(
                conn, version.label_set_id, project_id=version.project_id
            )
        attempt.report("loading model", 0.0)
        predictor = self.cache.get(version.id, lambda: self._load(version))
        profile = _profile(attempt)
        # Here, and not only in the prediction: what can't fit is not even downloaded.
        predictor.require_room(geometry_of(volume), self.available(), profile)
        attempt.check()
        attempt.report("fetching", 0.05)
        offset = float(job.parameters.get("hu_offset") or 0.0)
        array = voxels.read(self.store, volume, scratch=self.scratch, hu_offset=offset)
        attempt.check()
        mask = self._predict(attempt, predictor, array, volume, profile)
        attempt.report("encoding", PREDICTING[1])
        return Rest(lambda: self._store(attempt, mask, volume, version, label_set))

    def _store(
        self, attempt: Attempt, mask: Mask, volume: Row[Any], version: Row[Any], label_set: Row[Any]
    ) -> Finish:
        """Store the mask's objects; returns what inserts its row in the finishing transaction."""
        job = attempt.job
        # The key names the attempt: a zombie writes beside the owner's objects, never over them.
        stored = save.store_objects(
            self.store,
            key=f"masks/{job.id}/attempt-{job.attempt}",
            array=mask,
            volume=volume,
            labels=LabelSet.from_dicts(label_set.labels),
            scratch=self.scratch,
        )

        def finish(conn: Connection) -> dict[str, object]:
            row = save.insert(
                conn,
                stored,
                volume=volume,
                kind="prediction",
                label_set_id=label_set.id,
                actor=job.created_by,
                model_version_id=version.id,
                job_id=job.id,
                profile=_profile(attempt),
            )
            return {"mask_id": row.id}

        return finish

    def _load(self, version: Row[Any]) -> Predictor:
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="segloop-model-") as folder:
            fetch_bundle(self.store, version, Path(folder))
            return Predictor.load(Path(folder), device=self.device, threads=self.threads)

    def _predict(
        self, attempt: Attempt, predictor: Predictor, array: Any, volume: Row[Any], profile: Profile
    ) -> Any:
        low, high = PREDICTING

        def progress(stage: str, fraction: float) -> None:
            attempt.report(stage, low + (high - low) * fraction)

        try:
            return predictor.predict(
                array,
                geometry_of(volume),
                profile=profile,
                progress=progress,
                cancelled=attempt.stopped,
                available=self.available,
            )
        except Cancelled:
            raise Stopped from None


def _profile(attempt: Attempt) -> Profile:
    # Jobs from before there were profiles have none.
    profile: Profile = attempt.job.parameters.get("profile", "exact")
    return profile
