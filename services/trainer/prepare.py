"""Make a run's folder: the version it starts from, or fresh plans, and its cases as nnU-Net wants them."""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from segloop.database import Engine, transaction
from segloop.errors import Conflict
from segloop.imaging.geometry import Geometry
from segloop.imaging.labels import LabelSet
from segloop.jobs.run import Attempt
from segloop.masks import table as masks_table
from segloop.masks import voxels as mask_voxels
from segloop.model_versions import table as model_versions_table
from segloop.model_versions.fetch import fetch_bundle
from segloop.nnunet.bundle import read_bundle
from segloop.nnunet.plan import PlanningCase, Size, plan
from segloop.nnunet.workspace import Workspace
from segloop.projects import table as projects_table
from segloop.storage import ObjectStore
from segloop.training.cases import table as cases_table
from segloop.training.label_sets import LabelSets, mirror_pairs
from segloop.training.policies import table as policies_table
from segloop.training.recipe import Recipe
from segloop.training.runs import table
from segloop.training.target import ReviewedRegion, possible_sets, training_target
from segloop.volumes import table as volumes_table
from segloop.volumes import voxels
from segloop.volumes.ingest import geometry_of
from services.trainer.case_cache import CaseCache

PREPARING = (0.0, 0.1)
"""Share of the whole job's progress in which cases are prepared."""
CASE_FORMAT = 1
"""Raise it when preprocessed cases of the same rows come out differently: cached ones are then made again."""
LIBRARIES = ("nnunetv2", "batchgenerators", "numpy", "scipy", "scikit-image")
ORIENTATION = "RAS"
"""The voxel order of models that are planned afresh."""


@dataclass(frozen=True)
class CaseSource:
    """One case of a run with the rows it is made of."""

    row: Row[Any]
    volume: Row[Any]
    mask: Row[Any]
    labels: LabelSet

    @property
    def region(self) -> ReviewedRegion:
        """What somebody vouches for."""
        return ReviewedRegion.from_dict(self.row.reviewed)

    @property
    def geometry(self) -> Geometry:
        """The volume's grid."""
        return geometry_of(self.volume)


@dataclass(frozen=True)
class Preparation:
    """The clients and folders that preparing needs."""

    engine: Engine
    store: ObjectStore
    scratch: Path
    cache: CaseCache
    device: str

    def workspace(self, attempt: Attempt, run: Row[Any], folder: Path) -> Workspace:
        """Return the run's workspace in an empty folder, with every training and validation case in it.

        Raises:
            Stopped: between two cases.
            Conflict: `training_cases_stale` when a patient of this run was kept for tests since it was started, or one
                of its masks was rejected.
            InvalidInput: `labels_missing`, `volume_damaged`, `model_damaged` and what nnU-Net's plans may lack.
        """
        kept = [source for source in self.sources(run) if source.row.part in ("training", "validation")]
        self._require_still_right(run, kept)
        base = self._base(attempt, run, folder, kept)
        for done, source in enumerate(kept):
            attempt.check()
            low, high = PREPARING
            attempt.report(f"preparing case {done + 1} of {len(kept)}", low + (high - low) * done / len(kept))
            self._add(base, source)
        base.save()
        return base

    def _require_still_right(self, run: Row[Any], kept: list[CaseSource]) -> None:
        """Check again what was checked at the start: a failed run may be tried again long after."""
        with transaction(self.engine) as conn:
            tested = {
                row.patient_id for row in policies_table.list_test_patients(conn, project_id=run.project_id)
            }
            rejected = cases_table.list_rejected(conn, [source.row.mask_id for source in kept])
        if tested & {source.row.patient_id for source in kept}:
            raise Conflict(
                "training_cases_stale",
                "A patient of this run was kept for tests after it was started. Start a new run instead.",
            )
        if rejected:
            raise Conflict(
                "training_cases_stale",
                "A mask of this run was rejected after it was started. Start a new run instead.",
                masks=sorted(rejected),
            )

    def sources(self, run: Row[Any]) -> list[CaseSource]:
        """Return a run's cases with their rows, by volume."""
        found = []
        with transaction(self.engine) as conn:
            for row in table.list_cases(conn, run.id):
                mask = masks_table.get(conn, row.mask_id)
                label_set = projects_table.get_label_set(conn, mask.label_set_id, project_id=run.project_id)
                volume = volumes_table.get(conn, row.volume_id)
                found.append(CaseSource(row, volume, mask, LabelSet.from_dicts(label_set.labels)))
        return found

    def _base(self, attempt: Attempt, run: Row[Any], folder: Path, kept: list[CaseSource]) -> Workspace:
        names, start = self._names(run), folder / "start"
        sets = [some for source in kept for some in possible_sets(source.region, source.labels, names)]
        coded = LabelSets(len(names) + 1).extended(sets, mirror_pairs(names))
        if run.kind == "quick_tune":
            start.mkdir(parents=True)
            with transaction(self.engine) as conn:
                version = model_versions_table.get(conn, run.parent_id)
            fetch_bundle(self.store, version, start)
            info = read_bundle(start)
            plans, dataset, configuration = info.plans, info.dataset, info.configuration
            orientation = info.orientation
        else:
            attempt.report("planning", 0.0)
            size: Size = "small" if self.device == "cpu" else "full"
            cases = self._planning_cases(attempt, kept, names, coded)
            plans, dataset, configuration = plan(
                folder / "planning", cases, names, orientation=ORIENTATION, size=size
            )
            orientation = ORIENTATION
        dataset = {**dataset, "labels": {"background": 0, **{name: i for i, name in enumerate(names, 1)}}}
        parts: dict[str, list[str]] = {"new": [], "earlier": [], "validation": []}
        for source in kept:
            # Only a quick tune has learned before: to a full retrain every case is as new as the other.
            novel = "new" if source.row.is_new or run.kind == "full_retrain" else "earlier"
            parts["validation" if source.row.part == "validation" else novel].append(source.row.volume_id)
        return Workspace(
            folder,
            plans,
            dataset,
            configuration,
            orientation,
            coded,
            self._recipe(run),
            **{part: tuple(ids) for part, ids in parts.items()},
        )

    def _names(self, run: Row[Any]) -> list[str]:
        with transaction(self.engine) as conn:
            row = projects_table.get_label_set(conn, run.label_set_id, project_id=run.project_id)
        return [label.name for label in LabelSet.from_dicts(row.labels).labels]

    def _recipe(self, run: Row[Any]) -> Recipe:
        return Recipe.from_dict({**Recipe.usual(run.kind, self.device).to_dict(), **run.recipe})

    def _planning_cases(
        self, attempt: Attempt, kept: list[CaseSource], names: list[str], coded: LabelSets
    ) -> Iterator[PlanningCase]:
        for source in kept:
            attempt.check()
            if source.row.part == "training":
                volume, target = self._arrays(source, names, coded)
                yield PlanningCase(source.row.volume_id, volume, target, source.geometry)

    def _arrays(
        self, source: CaseSource, names: list[str], coded: LabelSets
    ) -> tuple[NDArray[Any], NDArray[np.int16]]:
        """Return a case's voxels in HU and what each may be, on the volume's own grid."""
        volume = voxels.read(self.store, source.volume, scratch=self.scratch, hu_offset=source.row.hu_offset)
        mask, _ = mask_voxels.load(self.store, source.mask, scratch=self.scratch)
        target = training_target(mask, source.geometry, source.region, source.labels, names, coded)
        return volume, target

    def _add(self, base: Workspace, source: CaseSource) -> None:
        """Put a case into the workspace, preprocessed now or by an earlier run that meant exactly the same."""
        names, case_id = base.labels, source.row.volume_id
        codes = {
            tuple(sorted(s)): base.table.code(s) for s in possible_sets(source.region, source.labels, names)
        }
        key = _digest(
            CASE_FORMAT,
            [importlib.metadata.version(name) for name in LIBRARIES],
            source.volume.sha256,
            source.mask.sha256,
            source.row.reviewed,
            source.row.hu_offset,
            [vars(label) for label in source.labels.labels],
            names,
            sorted(codes.items()),
            base.plans,
            base.configuration,
            base.orientation,
        )
        if self.cache.take(key, case_id, base.case_folder):
            return
        base.add_case(case_id, *self._arrays(source, names, base.table), source.geometry)
        self.cache.keep(key, case_id, base.case_folder)


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
