"""How well a version did on a case: each label that somebody vouched for, inside what was reviewed."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segloop.imaging.geometry import Geometry
from segloop.imaging.labels import LabelSet
from segloop.imaging.metrics import boxes_of, measure
from segloop.training.protocol import CaseScores, LabelScore
from segloop.training.target import ReviewedRegion

Mask = NDArray[np.unsignedinteger[Any]]
Volume = NDArray[np.integer[Any]] | NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Reference:
    """What people say is in a case: a mask (x, y, z) on `geometry`, its label set, and what of it was reviewed."""

    case_id: str
    patient_id: str
    mask: Mask
    geometry: Geometry
    labels: LabelSet
    region: ReviewedRegion = field(default_factory=lambda: ReviewedRegion(whole=True))


def score_case(
    reference: Reference, prediction: Mask, labels: LabelSet, runtime_s: float | None = None
) -> CaseScores:
    """Compare a prediction on the reference's grid, with its own label set; labels map by name.

    Outside the reviewed region both count as background; labels that nobody reviewed get no score. A label that the
    version doesn't have counts as missed.

    Raises:
        ValueError: The prediction is of another shape.
    """
    if prediction.shape != reference.mask.shape:
        raise ValueError(f"prediction {prediction.shape}, reference {reference.mask.shape}")
    inside = reference.region.voxels(reference.geometry)
    truth, found = (np.where(inside, mask, 0).astype(mask.dtype) for mask in (reference.mask, prediction))
    boxes, known = (boxes_of(truth), boxes_of(found)), {label.name: label.index for label in labels.labels}
    scores = {}
    for label in reference.labels.labels:
        if reference.region.labels is not None and label.index not in reference.region.labels:
            continue
        if label.name in known:
            index, spacing_mm = known[label.name], reference.geometry.spacing_mm
            result = measure(truth, found, label.index, index, spacing_mm, boxes)
        else:
            n = int(np.count_nonzero(truth == label.index))
            result = {"voxels_a": n, "voxels_b": 0, "dice": None, "nsd": None, "hd95_mm": None}
        scores[label.name] = _label_score(result, reference.geometry)
    return CaseScores(reference.case_id, reference.patient_id, scores, runtime_s)


def with_calibration(scores: CaseScores, errors: Mapping[str, float]) -> CaseScores:
    """Return a case's scores with the calibration error of each label that was measured."""
    labels = {
        name: replace(score, calibration_error=errors.get(name)) for name, score in scores.labels.items()
    }
    return replace(scores, labels=labels)


def evaluate(
    cases: Iterable[tuple[Reference, Volume]],
    predict: Callable[[Volume, Geometry], Mask],
    labels: LabelSet,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[CaseScores, ...]:
    """Predict and score each case, timing the prediction; one case is in memory at a time.

    `predict` is `Predictor.predict` of one version and `labels` that version's label set. What it raises is not caught: a
    comparison on the cases that happened to work would flatter.
    """
    scored = []
    for reference, volume in cases:
        began = clock()
        prediction = predict(volume, reference.geometry)
        scored.append(score_case(reference, prediction, labels, clock() - began))
    return tuple(scored)


def _label_score(result: dict[str, Any], geometry: Geometry) -> LabelScore:
    ml = geometry.voxel_volume_mm3 / 1000
    return LabelScore(
        result["dice"],
        result["nsd"],
        reference_empty=result["voxels_a"] == 0,
        predicted_empty=result["voxels_b"] == 0,
        hd95_mm=result["hd95_mm"],
        volume_difference_ml=(result["voxels_b"] - result["voxels_a"]) * ml,
    )
