"""Who is fed when, which slices were reviewed, and what the tables of the learning benchmarks say."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from segloop.errors import InvalidInput
from segloop.imaging.geometry import Geometry
from segloop.stack.learning import curve, partial, partial_report
from segloop.stack.learning.dataset import RawDataset, write_phantoms
from segloop.stack.learning.folds import folds
from segloop.stack.learning.limit import Limit, OutOfTime
from segloop.stack.learning.loop import Retrained, measure, simulate
from segloop.stack.learning.reviewed import WHOLE, every_nth
from segloop.training.protocol import CaseScores, LabelScore
from segloop.training.target import ReviewedRegion

PATIENTS = [f"P{i:02d}" for i in range(29)]


def test_each_patient_is_tested_in_one_fold_and_nobody_is_in_two_lists() -> None:
    three = folds(PATIENTS, n_start=4, n_gate=3, n_rounds=3)
    assert sorted(patient for fold in three for patient in fold.test) == PATIENTS
    for fold in three:
        everybody = [*fold.start, *fold.fed(3), *fold.gate, *fold.test]
        assert sorted(everybody) == PATIENTS
        assert len(fold.start) == 4 and len(fold.gate) == 3 and len(fold.rounds) == 3
        sizes = [len(patients) for patients in fold.rounds]
        assert max(sizes) - min(sizes) <= 1 and sizes[0] == max(sizes)


def test_folds_depend_on_the_names_alone() -> None:
    there = folds(PATIENTS, n_start=4, n_gate=3, n_rounds=3)
    assert folds([*reversed(PATIENTS), *PATIENTS], n_start=4, n_gate=3, n_rounds=3) == there


def test_too_few_patients_are_refused_with_the_number_needed() -> None:
    with pytest.raises(InvalidInput, match="About 15 patients"):
        folds(PATIENTS[:12], n_start=4, n_gate=3, n_rounds=3)


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "PIR"])
def test_every_tenth_slice_is_a_tenth_of_the_voxels_in_any_orientation(orientation: str) -> None:
    columns = {
        "R": [1, 0, 0],
        "L": [-1, 0, 0],
        "A": [0, 1, 0],
        "P": [0, -1, 0],
        "S": [0, 0, 1],
        "I": [0, 0, -1],
    }
    affine = np.eye(4)
    affine[:3, :3] = np.array([columns[code] for code in orientation]).T
    shape = tuple(40 if code in "SI" else 7 for code in orientation)
    geometry = Geometry((shape[0], shape[1], shape[2]), affine)
    regions = [every_nth(geometry, 10, seed=seed, patient=3) for seed in range(8)]
    assert all(region.voxels(geometry).mean() == 0.1 for region in regions)
    assert len({str(region) for region in regions}) > 1
    assert regions[0] == every_nth(geometry, 10, seed=0, patient=3)


def test_a_raw_dataset_is_read_patient_by_patient(tmp_path: Path) -> None:
    data = write_phantoms(tmp_path / "all", 3)
    patient = data.load(data.patients[1])
    assert patient.volume.shape == patient.mask.shape == patient.geometry.shape
    assert data.names[0] == "brainstem" and int(patient.mask.max()) == 7
    dataset = data.link(tmp_path / "some", data.patients[:2])
    assert dataset["numTraining"] == 2 and dataset["labels"]["esophagus"] == 7
    assert RawDataset.open(tmp_path / "some").patients == data.patients[:2]


@pytest.mark.parametrize("missing", ["dataset.json", "imagesTr/phantom_00_0000.nii.gz"])
def test_a_dataset_that_lacks_something_is_refused(tmp_path: Path, missing: str) -> None:
    write_phantoms(tmp_path, 1)
    (tmp_path / missing).unlink()
    with pytest.raises(InvalidInput) as refused:
        RawDataset.open(tmp_path)
    assert refused.value.code == "dataset_unreadable"


def test_the_partial_benchmark_never_trains_on_a_test_patient_and_refuses_a_small_dataset() -> None:
    found = partial.parts(PATIENTS, partial.LONG)
    everybody = [patient for patients in found.values() for patient in patients]
    assert len(set(everybody)) == len(everybody)
    assert [len(patients) for patients in found.values()] == [4, 10, 8]
    with pytest.raises(InvalidInput, match="22 patients are needed"):
        partial.parts(PATIENTS[:21], partial.LONG)


def result(seed: int, arm: str, values: Sequence[float]) -> dict[str, object]:
    table = {f"P{i}": {"bone": value, "skin": value} for i, value in enumerate(values)}
    return {"seed": seed, "arm": arm, "dice": table, "nsd": table}


def test_differences_are_paired_by_patient_and_unfinished_seeds_are_left_out() -> None:
    found = [
        result(0, "left out", [0.4, 0.6, 0.5, 0.5, 0.5]),
        result(0, "tenth", [0.5, 0.7, 0.6, 0.6, 0.6]),
        result(0, "full", [0.6, 0.7, 0.65, 0.65, 0.65]),
        result(1, "left out", [0.0] * 5),
    ]
    report = partial_report.summarize(found)
    assert report["seeds"] == [0] and report["n_patients"] == 5
    first = report["differences"][0]
    assert first["of"] == ["tenth", "left out"] and first["patients_better"] == 5
    assert first["mean"] == pytest.approx(0.1) and first["low"] == pytest.approx(0.1)
    assert "| bone | 0.500 | 0.600 | 0.650 | +0.100 |" in partial_report.table(report)


@dataclass
class Remembering:
    """A loop whose versions are as good as the number of patients fed."""

    fed: dict[str, ReviewedRegion] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    def feed(self, patient_id: str, region: ReviewedRegion) -> None:
        self.fed[patient_id] = region

    def retrain(self, key: str) -> Retrained:
        self.keys.append(key)
        return Retrained(str(len(self.fed) / 20), {"outcome": "not_enough_cases", "reasons": ["3 of 20"]})

    def evaluate(self, version: str, patients: Sequence[str]) -> Sequence[CaseScores]:
        score = LabelScore(float(version), float(version))
        return [CaseScores(patient, patient, {"bone": score}) for patient in patients]


def test_a_simulation_that_was_cut_off_repeats_no_round_and_draws_its_curve(tmp_path: Path) -> None:
    fold = folds(PATIENTS, n_start=4, n_gate=3, n_rounds=3)[0]
    said: list[str] = []
    first = Remembering()
    measure(first, curve.BEFORE, fold, 0, Retrained("0.1"), tmp_path, said.append)
    with pytest.raises(OutOfTime):
        simulate(first, "fed fully", fold, lambda _: WHOLE, tmp_path, Limit(0), said.append)
    for loop in (first, Remembering()):
        simulate(loop, "fed fully", fold, lambda _: WHOLE, tmp_path, Limit(), said.append)
        assert set(loop.fed) == set(fold.fed(3))
    assert first.keys == [f"fold0-fed-fully-round{i}" for i in (1, 2, 3)] and loop.keys == []
    found = curve.curves(curve.read_steps(tmp_path))
    means = [row["arms"]["fed fully"]["mean"] for row in found["rows"]]
    fed = [len(fold.fed(i)) for i in range(4)]
    assert means == pytest.approx([0.1, *(n / 20 for n in fed[1:])])
    assert [row["n_fed"] for row in found["rows"]] == fed
    text = curve.write(tmp_path)
    assert "not_enough_cases" in text and (tmp_path / "curve.svg").exists()


@dataclass
class Rejecting(Remembering):
    """A loop that trains candidates and never lets one into production."""

    def retrain(self, key: str) -> Retrained:
        return Retrained(
            "0.1", {"outcome": "reject", "reasons": ["a", "b", "c"], "done": "not promoted"}, "0.7"
        )


def test_candidates_and_what_is_in_production_are_measured_apart(tmp_path: Path) -> None:
    fold = folds(PATIENTS, n_start=4, n_gate=3, n_rounds=1)[0]
    measure(Rejecting(), curve.BEFORE, fold, 0, Retrained("0.1"), tmp_path, lambda _: None)
    simulate(Rejecting(), "fed fully", fold, lambda _: WHOLE, tmp_path, Limit(), lambda _: None)
    found = curve.curves(curve.read_steps(tmp_path))
    assert found["arms"] == [curve.BEFORE, "fed fully", "fed fully, candidates"]
    last = found["rows"][-1]["arms"]
    assert [last[arm]["mean"] for arm in found["arms"]] == pytest.approx([0.1, 0.1, 0.7])
    text = curve.write(tmp_path)
    assert "round 1: *reject*, not promoted. a b (and 1 more)" in text
    assert "fed fully, candidates" in (tmp_path / "curve.svg").read_text()
