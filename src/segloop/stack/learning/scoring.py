"""A trained bundle on patients it never saw: Dice and NSD by patient and label, as plain values that are kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from segloop.nnunet.predict import Predictor
from segloop.stack.learning.dataset import RawDataset
from segloop.training.protocol import METRICS, CaseScores
from segloop.training.scores import Reference, evaluate

Table = Mapping[str, Mapping[str, float]]
"""Patient to label to a value from 0 to 1."""


def score(bundle: Path, data: RawDataset, patients: Sequence[str]) -> tuple[CaseScores, ...]:
    """Predict these patients with one thread and compare with their true masks."""
    predictor = Predictor.load(bundle, device="cpu", threads=1)
    cases = (
        (Reference(one.patient_id, one.patient_id, one.mask, one.geometry, data.labels), one.volume)
        for one in map(data.load, patients)
    )
    return evaluate(cases, predictor.predict, data.labels)


def tables(scores: Sequence[CaseScores]) -> dict[str, dict[str, dict[str, float]]]:
    """Return {"dice": Table, "nsd": Table}; labels missed or rightly absent count as `LabelScore.value` says."""
    return {
        metric: {
            case.case_id: {
                name: value for name, one in case.labels.items() if (value := one.value(metric)) is not None
            }
            for case in scores
        }
        for metric in METRICS
    }


def by_label(table: Table) -> dict[str, float]:
    """Return the mean over patients of each label."""
    names = list(dict.fromkeys(name for row in table.values() for name in row))
    return {name: float(np.mean([row[name] for row in table.values() if name in row])) for name in names}


def by_patient(table: Table) -> dict[str, float]:
    """Return the mean over labels of each patient."""
    return {patient: float(np.mean(list(row.values()))) for patient, row in table.items()}


def overall(table: Table) -> float:
    """Return the mean over labels of the mean over patients."""
    return float(np.mean(list(by_label(table).values())))
