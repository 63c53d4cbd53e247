"""Calibration on the network's grid: of any orientation, and only where somebody vouched."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segloop.imaging.geometry import reorient
from segloop.imaging.labels import Label, LabelSet
from segloop.imaging.phantom import asymmetric
from segloop.nnunet.bundle import import_model
from segloop.nnunet.calibrate import calibration_errors
from segloop.nnunet.predict import Predictor
from segloop.nnunet.tiny import write_tiny_model
from segloop.training.scores import Reference
from segloop.training.target import ReviewedRegion

NAMES = tuple(f"class_{i}" for i in range(1, 8))
LABELS = LabelSet(tuple(Label(i, name) for i, name in enumerate(NAMES, 1)))


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder: Path = tmp_path_factory.mktemp("model")
    import_model(write_tiny_model(folder / "nnunet", label_names=NAMES), folder / "bundle")
    return Predictor.load(folder / "bundle", device="cpu", threads=1)


def errors_of(predictor: Predictor, reference: Reference, volume: Any) -> dict[str, float]:
    """The errors of one case."""
    return calibration_errors(predictor, [(reference, volume)])["case"]


def test_the_errors_are_the_same_in_any_orientation(predictor: Predictor) -> None:
    volume, labels, grid = asymmetric()
    found = []
    for orientation in ("RAS", "LPS", "SAR", "PIL"):
        turned, turned_grid = reorient(volume, grid, orientation)
        mask = reorient(labels, grid, orientation)[0]
        found.append(errors_of(predictor, Reference("case", "patient", mask, turned_grid, LABELS), turned))
    assert set(found[0]) == set(NAMES) and max(found[0].values()) < 0.1
    assert all(errors == pytest.approx(found[0]) for errors in found)


def test_a_reference_on_the_other_side_shows_as_a_larger_error(predictor: Predictor) -> None:
    volume, labels, grid = asymmetric()
    wrong = Reference("case", "patient", np.flip(labels, 0).copy(), grid, LABELS)
    right = Reference("case", "patient", labels, grid, LABELS)
    bad, good = (errors_of(predictor, one, volume) for one in (wrong, right))
    assert sum(bad.values()) > 1.5 * sum(good.values())


def test_what_nobody_reviewed_is_not_asked(predictor: Predictor) -> None:
    volume, labels, grid = asymmetric()
    region = ReviewedRegion.from_dict({"whole": True, "labels": [1, 2]})
    some = Reference("case", "patient", labels, grid, LABELS, region)
    nothing = Reference("case", "patient", labels, grid, LABELS, ReviewedRegion())
    assert set(errors_of(predictor, some, volume)) == {"class_1", "class_2"}
    assert errors_of(predictor, nothing, volume) == {}
