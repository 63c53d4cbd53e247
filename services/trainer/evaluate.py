"""The use case of a job of kind `evaluate`: both versions on the same held-out cases, and the gate's verdict."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.database import Connection, Engine, transaction
from segloop.imaging.labels import LabelSet
from segloop.jobs.run import Attempt, Finish, Stopped
from segloop.masks import table as masks_table
from segloop.masks import voxels as mask_voxels
from segloop.model_versions import table as model_versions_table
from segloop.model_versions.fetch import fetch_bundle
from segloop.nnunet.calibrate import calibration_errors
from segloop.nnunet.predict import Cancelled, Predictor
from segloop.projects import table as projects_table
from segloop.storage import ObjectStore
from segloop.training.cases.case import Case
from segloop.training.comparisons import compare
from segloop.training.protocol import CaseScores, Evaluation
from segloop.training.scores import Reference, score_case, with_calibration
from segloop.volumes import table as volumes_table
from segloop.volumes import voxels
from segloop.volumes.ingest import geometry_of
from services.trainer.checkpoints import sweep

MAX_CALIBRATION = 20
"""Cases on which calibration is measured: each costs another prediction for both versions."""
PREDICTING = 0.8


@dataclass(frozen=True)
class Evaluator:
    """The worker's clients and where it predicts."""

    engine: Engine
    store: ObjectStore
    scratch: Path
    device: str
    threads: int

    def work(self, attempt: Attempt) -> Finish:
        """Evaluate the job's version beside the one in production; returns what stores the verdict."""
        with transaction(self.engine) as conn:
            candidate = model_versions_table.get(conn, attempt.job.model_version_id or "")
            production = _other(conn, candidate)
            classes = compare.class_names(conn, candidate)
            held = compare.held_out(conn, project_id=candidate.project_id, classes=classes)
        sweep(
            self.engine, self.store
        )  # the candidate is registered, and nothing goes on from what its training saved
        attempt.report("loading models", 0.0)
        versions = [version for version in (candidate, production) if version is not None]
        predictors = [self._load(version) for version in versions]
        try:
            scores = self._scores(attempt, held.all, versions, predictors)
            scores = self._calibrated(attempt, held, predictors, scores)
        except Cancelled:
            raise Stopped from None
        frozen = {case.volume_id for case in held.frozen}
        corrected = {case.volume_id for case in held.corrected}
        results = [
            Evaluation(
                tuple(score for score in found if score.case_id in frozen),
                tuple(score for score in found if score.case_id in corrected),
            )
            for found in scores
        ]
        measured = compare.Measured(
            candidate,
            results[0],
            production,
            results[1] if production is not None else None,
            tuple((case.volume_id, case.mask_id) for case in held.all),
        )

        def finish(conn: Connection) -> dict[str, object]:
            compare.conclude(conn, measured, job=attempt.job)
            return {}

        return finish

    def _scores(
        self,
        attempt: Attempt,
        cases: list[Case],
        versions: list[Row[Any]],
        predictors: list[Predictor],
    ) -> list[list[CaseScores]]:
        """Return each version's scores; the versions take turns on each case, so that times are comparable."""
        labels = [self._labels(version.label_set_id, version.project_id) for version in versions]
        found: list[list[CaseScores]] = [[] for _ in versions]
        # On a CPU its own seconds: the machine may have other work, and no version must be rejected for that.
        clock = time.process_time if self.device == "cpu" else time.perf_counter
        for done, case in enumerate(cases):
            attempt.report(f"predicting test case {done + 1} of {len(cases)}", PREDICTING * done / len(cases))
            reference, volume = self._read(case)
            order = range(len(versions)) if done % 2 else reversed(range(len(versions)))
            for i in order:
                began = clock()
                mask = predictors[i].predict(volume, reference.geometry, cancelled=attempt.stopped)
                seconds = clock() - began
                found[i].append(score_case(reference, mask, labels[i], seconds))
        return found

    def _calibrated(
        self,
        attempt: Attempt,
        held: compare.HeldOut,
        predictors: list[Predictor],
        scores: list[list[CaseScores]],
    ) -> list[list[CaseScores]]:
        """Return the scores with each label's calibration error, on as many cases as are measured."""
        cases = _of_every_label(held.frozen or held.corrected, MAX_CALIBRATION)
        found = []
        for i, predictor in enumerate(predictors):
            attempt.report("measuring calibration", PREDICTING + (0.95 - PREDICTING) * i / len(predictors))
            errors = calibration_errors(predictor, self._each(attempt, cases))
            found.append([with_calibration(score, errors.get(score.case_id, {})) for score in scores[i]])
        return found

    def _each(self, attempt: Attempt, cases: list[Case]) -> Iterator[tuple[Reference, NDArray[Any]]]:
        for case in cases:
            attempt.check()
            yield self._read(case)

    def _read(self, case: Case) -> tuple[Reference, NDArray[Any]]:
        with transaction(self.engine) as conn:
            volume = volumes_table.get(conn, case.volume_id)
            mask = masks_table.get(conn, case.mask_id)
        array = voxels.read(self.store, volume, scratch=self.scratch, hu_offset=case.hu_offset or 0.0)
        truth, _ = mask_voxels.load(self.store, mask, scratch=self.scratch)
        labels = self._labels(mask.label_set_id, mask.project_id)
        reference = Reference(
            case.volume_id, case.patient_id, truth, geometry_of(volume), labels, case.region
        )
        return reference, array

    def _labels(self, label_set_id: str, project_id: str) -> LabelSet:
        with transaction(self.engine) as conn:
            row = projects_table.get_label_set(conn, label_set_id, project_id=project_id)
        return LabelSet.from_dicts(row.labels)

    def _load(self, version: Row[Any]) -> Predictor:
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="segloop-model-") as folder:
            fetch_bundle(self.store, version, Path(folder))
            return Predictor.load(Path(folder), device=self.device, threads=self.threads)


def _of_every_label(cases: Sequence[Case], limit: int) -> list[Case]:
    """Return up to `limit` cases, taken by label in turn, so that a rare label is among them."""
    chosen: dict[str, Case] = {}
    having = {
        name: [case for case in cases if case.voxels.get(name)]
        for name in {n for c in cases for n in c.voxels}
    }
    for name in sorted(having, key=lambda name: (len(having[name]), name)):
        for case in having[name][: max(1, limit // len(having))]:
            chosen.setdefault(case.volume_id, case)
    for case in cases:
        chosen.setdefault(case.volume_id, case)
    return list(chosen.values())[:limit]


def _other(conn: Connection, candidate: Row[Any]) -> Row[Any] | None:
    """Return the version in production, or, where the candidate was promoted meanwhile, the one it came from."""
    production = model_versions_table.find_production(conn, project_id=candidate.project_id)
    if production is None or production.id != candidate.id:
        return production
    return None if candidate.parent_id is None else model_versions_table.get(conn, candidate.parent_id)
