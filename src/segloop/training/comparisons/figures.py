"""What was measured of a version, in figures for people: means over patients with their uncertainty."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segloop.training.protocol import CaseScores, Evaluation, LabelScore

METRICS = ("dice", "nsd", "hd95_mm", "volume_difference_ml")
N_BOOTSTRAP = 2000


@dataclass(frozen=True)
class Figure:
    """One metric of one label: the mean over patients and its 95% interval; None where there is none.

    HD95 is of the patients only in whom both masks have the label.
    """

    name: str
    metric: str
    n_patients: int
    mean: float | None
    low: float | None
    high: float | None


def figures(evaluation: Evaluation) -> list[Figure]:
    """Return every label's figures on the frozen test cases, or on the corrected ones where there are none frozen.

    Cases of one patient are averaged first. The interval is the percentile bootstrap over patients (Efron and Tibshirani
    1993, section 13.3) with a fixed seed: it is shown, and the gate does not judge by it.
    """
    cases = evaluation.frozen or evaluation.corrected
    labels = sorted({name for case in cases for name in case.labels})
    return [_figure(cases, name, metric) for name in labels for metric in METRICS]


def _figure(cases: Sequence[CaseScores], name: str, metric: str) -> Figure:
    by_patient: Mapping[str, list[float]] = defaultdict(list)
    for case in cases:
        value = None if name not in case.labels else _value(case.labels[name], metric)
        if value is not None:
            by_patient[case.patient_id].append(value)
    values = np.array([np.mean(by_patient[patient]) for patient in sorted(by_patient)])
    if not len(values):
        return Figure(name, metric, 0, None, None, None)
    if len(values) < 2:  # one patient says nothing of others
        return Figure(name, metric, len(values), float(values.mean()), None, None)
    draws = np.random.default_rng(0).choice(values, size=(N_BOOTSTRAP, len(values))).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Figure(name, metric, len(values), float(values.mean()), float(low), float(high))


def _value(score: LabelScore, metric: str) -> float | None:
    if metric == "dice":
        return score.value("dice")
    if metric == "nsd":
        return score.value("nsd")
    return score.hd95_mm if metric == "hd95_mm" else score.volume_difference_ml
