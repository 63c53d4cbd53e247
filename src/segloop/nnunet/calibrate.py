"""How far a version's probabilities can be believed: measured on the network's own grid, at evaluation only."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

from segloop.imaging.geometry import reorient
from segloop.nnunet.device import threads_kept
from segloop.nnunet.predict import Predictor
from segloop.nnunet.workspace import with_ignore
from segloop.training.calibration import Reliability
from segloop.training.label_sets import LabelSets
from segloop.training.scores import Reference, Volume
from segloop.training.target import possible_sets, training_target


def calibration_errors(
    predictor: Predictor, cases: Iterable[tuple[Reference, Volume]]
) -> dict[str, dict[str, float]]:
    """Return the expected calibration error of each case and label, within 5 mm of the label's surface.

    Only voxels where somebody vouched for whether the label is there count. A label that a case lacks is left out of it.
    The probabilities of one label of one case are in memory at a time beside the network's outputs. Outputs of overlapping
    regions give no probabilities of labels: then nothing is measured.
    """
    if predictor.info.regions:
        return {}
    found = {}
    for reference, volume in cases:
        reliability = Reliability()
        _add(predictor, reference, volume, reliability)
        found[reference.case_id] = dict(reliability.errors())
    return found


def _add(predictor: Predictor, reference: Reference, volume: Volume, reliability: Reliability) -> None:
    info = predictor.info
    names = [label["name"] for label in info.labels]
    table = LabelSets(len(names) + 1).extended(possible_sets(reference.region, reference.labels, names))
    codes = training_target(
        reference.mask, reference.geometry, reference.region, reference.labels, names, table
    )
    configuration = predictor.configuration
    image, grid = reorient(volume, reference.geometry, info.orientation)
    turned, _ = reorient(codes, reference.geometry, info.orientation)
    # As in predict.py: (x, y, z) becomes nnU-Net's (z, y, x).
    properties: dict[str, Any] = {"spacing": list(grid.spacing_mm[::-1])}
    with threads_kept():
        data, seg, _ = DefaultPreprocessor(verbose=False).run_case_npy(
            image.transpose(2, 1, 0)[None],
            turned.transpose(2, 1, 0)[None],
            properties,
            predictor.plans,
            configuration,
            with_ignore(info.dataset, table),
        )
    logits = predictor.logits(torch.from_numpy(data)).float()
    total = torch.logsumexp(logits, 0)
    member = table.membership[np.maximum(seg[0], 0)]  # below 0 is outside the body: background
    single = seg[0] < table.ignore
    slices = [grid.spacing_mm[::-1][predictor.plans.transpose_forward[0]]]
    spacing_mm = [*slices, *configuration.spacing][-3:]
    for index, name in enumerate(names, 1):
        probability = torch.exp(logits[index] - total).numpy()
        known = single | ~member[..., index]
        reliability.add(name, probability, seg[0] == index, spacing_mm, known)
