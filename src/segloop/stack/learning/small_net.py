"""A network that learns in minutes on one core: planned from a few patients, trained in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segloop.errors import Unavailable
from segloop.nnunet import bundle, cases
from segloop.nnunet.workspace import Workspace
from segloop.stack.learning.dataset import Patient, RawDataset
from segloop.stack.learning.limit import Limit, OutOfTime
from segloop.stack.learning.reviewed import WHOLE
from segloop.training.label_sets import LabelSets
from segloop.training.progress import write_json
from segloop.training.recipe import Recipe
from segloop.training.target import ReviewedRegion, training_target

DATASET_ID = 901
EXIT_STOPPED = 3


@dataclass(frozen=True)
class Size:
    """Patch (z, y, x), features per stage, in-plane spacing (None: as planned), convolutions per stage and batch.

    The spacing across axial slices stays as planned: on coarser ones, single reviewed slices would fall between.
    """

    patch: tuple[int, int, int]
    features: tuple[int, ...]
    in_plane_mm: float | None = None
    convolutions: int = 1
    batch: int = 2


@dataclass(frozen=True)
class Net:
    """What all networks of a benchmark share, so that only the cases differ."""

    plans: dict[str, Any]
    dataset: dict[str, Any]
    orientation: str


def plan(data: RawDataset, patients: Sequence[str], folder: Path, size: Size) -> Net:
    """Return nnU-Net's plans for these patients alone, cut down to `size`; kept in `folder` and reused.

    The voxel order is the first patient's.
    """
    raw = folder / "raw" / f"Dataset{DATASET_ID}_Learning"
    dataset = data.link(raw, patients)
    with (folder / "planning.log").open("a") as log, redirect_stdout(log), redirect_stderr(log):
        full = cases.plan(raw, folder, DATASET_ID)
    orientation = data.load(patients[0]).geometry.orientation
    small = cases.small_plans(full, size.patch, size.features, size.batch)
    configuration = small["configurations"][cases.CONFIGURATION]
    stages, across = len(size.features), float(configuration["spacing"][0])
    if size.in_plane_mm is not None:
        configuration["spacing"] = [across, size.in_plane_mm, size.in_plane_mm]
    configuration["architecture"]["arch_kwargs"] |= {
        "n_conv_per_stage": [size.convolutions] * stages,
        "n_conv_per_stage_decoder": [size.convolutions] * (stages - 1),
    }
    return Net(small, dataset, orientation)


def train(
    net: Net,
    data: RawDataset,
    folder: Path,
    recipe: Recipe,
    *,
    new: Mapping[str, ReviewedRegion],
    earlier: Sequence[str] = (),
    start: Path | None = None,
    limit: Limit,
    held: int,
) -> Path:
    """Train in `folder`, or go on there, and return the bundle of the trained model.

    Args:
        net: Plans and dataset.json.
        data: Where the patients are.
        folder: The run's own; what is not needed any more is removed at the end.
        recipe: Length, speed and seed.
        new: Patients and what of them was reviewed.
        earlier: Patients that were reviewed as a whole and are replayed.
        start: Bundle to start from; without it the weights are random.
        limit: When to stop, with nothing lost.
        held: Descriptor of the benchmark's lock.

    Raises:
        OutOfTime: as `limit`.
        Unavailable: `bench_training_failed`, with the run's own words.
    """
    done = folder / "bundle"
    if (done / "model.json").exists():
        return done
    limit.left_s()
    if not (folder / "run.json").exists():
        _prepare(net, data, folder, recipe, dict.fromkeys(earlier, WHOLE), new, start)
    trained = _run(folder, limit, held)
    bundle.import_model(trained, folder / "bundle.new")
    (folder / "bundle.new").rename(done)
    for made in ("preprocessed", "results", "start"):
        shutil.rmtree(folder / made, ignore_errors=True)
    (folder / "state.pt").unlink(missing_ok=True)
    return done


def _prepare(
    net: Net,
    data: RawDataset,
    folder: Path,
    recipe: Recipe,
    earlier: Mapping[str, ReviewedRegion],
    new: Mapping[str, ReviewedRegion],
    start: Path | None,
) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if start is not None:
        shutil.copytree(start, folder / "start")
    table = LabelSets(len(data.names) + 1)
    split = (tuple(new), tuple(earlier), ())
    workspace = Workspace(
        folder, net.plans, net.dataset, cases.CONFIGURATION, net.orientation, table, recipe, *split
    )
    for patient_id, region in {**earlier, **new}.items():
        add(workspace, data.load(patient_id), region, data)
    workspace.save()  # last: a workspace that says what it is holds all its cases


def add(workspace: Workspace, patient: Patient, region: ReviewedRegion, data: RawDataset) -> None:
    """Add a patient to a workspace as if the true mask had been reviewed in `region` alone."""
    target = training_target(patient.mask, patient.geometry, region, data.labels, data.names, workspace.table)
    workspace.add_case(patient.patient_id, patient.volume, target, patient.geometry)


def _run(folder: Path, limit: Limit, held: int) -> Path:
    """Train in a process of its own until it ends or the time is over; it inherits the lock."""
    command = [sys.executable, "-m", "segloop.nnunet.training_run", str(folder)]
    with (folder / "run.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
            pass_fds=(held,),
            start_new_session=True,
        )
        try:
            code = process.wait(limit.left_s())
        except (subprocess.TimeoutExpired, OutOfTime):
            raise OutOfTime from None
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if code == EXIT_STOPPED:
        raise OutOfTime
    file = folder / "outcome.json"
    outcome = json.loads(file.read_text()) if file.exists() else {}
    if code != 0:
        said = outcome.get("message", f"the process ended with {code}")
        raise Unavailable(
            "bench_training_failed", f"A training failed: {said} See {folder / 'run.log'}; then try again."
        )
    return Path(outcome["trained_folder"])


def keep(file: Path, body: Any) -> Any:
    """Write a result for good and return it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, body)
    return body
