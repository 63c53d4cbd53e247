"""Evaluations as they are stored: plain JSON values, and back."""

import hashlib
import json
import math
from collections.abc import Iterable
from typing import Any

from segloop.training.protocol import CaseScores, Evaluation, LabelScore


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return plain values; a number that is none (NaN) becomes null."""
    return {
        "frozen": [_case_to_json(case) for case in evaluation.frozen],
        "corrected": [_case_to_json(case) for case in evaluation.corrected],
    }


def from_json(body: dict[str, Any]) -> Evaluation:
    """Return a stored evaluation."""
    return Evaluation(
        tuple(_case_from_json(case) for case in body["frozen"]),
        tuple(_case_from_json(case) for case in body["corrected"]),
    )


def cases_sha256(pairs: Iterable[tuple[str, str]]) -> str:
    """Name a set of cases by their (volume, mask): the same for the same cases in any order."""
    return hashlib.sha256(json.dumps(sorted(pairs)).encode()).hexdigest()


def _case_to_json(case: CaseScores) -> dict[str, Any]:
    labels = {
        name: {key: _number(value) for key, value in vars(score).items()}
        for name, score in case.labels.items()
    }
    return {
        "case_id": case.case_id,
        "patient_id": case.patient_id,
        "labels": labels,
        "runtime_s": case.runtime_s,
    }


def _case_from_json(body: dict[str, Any]) -> CaseScores:
    labels = {name: LabelScore(**score) for name, score in body["labels"].items()}
    return CaseScores(body["case_id"], body["patient_id"], labels, body["runtime_s"])


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
