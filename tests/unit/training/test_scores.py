"""Scores count what somebody vouched for; calibration is what simulated probabilities were made with."""

import numpy as np
import pytest
from numpy.typing import NDArray

from segloop.imaging.geometry import Geometry
from segloop.imaging.labels import Label, LabelSet
from segloop.imaging.phantom import asymmetric
from segloop.training.calibration import Reliability, near_surface
from segloop.training.gate import decide
from segloop.training.protocol import Evaluation, Protocol
from segloop.training.scores import Reference, evaluate, score_case, with_calibration
from segloop.training.target import ReviewedRegion

GRID = Geometry((12, 10, 8), np.diag([1.0, 1.0, 2.0, 1.0]))
LABELS = LabelSet((Label(1, "jaw"), Label(2, "cord")))


def masks() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    truth, found = np.zeros(GRID.shape, np.uint8), np.zeros(GRID.shape, np.uint8)
    truth[2:6, 2:6, 2:6] = 1
    truth[8:10, 2:6, 2:6] = 2
    found[2:6, 2:6, 2:4] = 1  # the upper half is missed
    found[8:10, 2:6, 2:6] = 2
    return truth, found


def reference(region: ReviewedRegion) -> Reference:
    return Reference("case", "patient", masks()[0], GRID, LABELS, region)


def test_a_dense_case_is_scored_in_every_label_with_its_volume() -> None:
    scores = score_case(reference(ReviewedRegion(whole=True)), masks()[1], LABELS).labels
    assert scores["jaw"].dice == pytest.approx(2 * 32 / 96) and scores["cord"].dice == 1
    assert scores["jaw"].volume_difference_ml == pytest.approx(-32 * 2 / 1000)
    assert scores["jaw"].nsd is not None and scores["jaw"].nsd < 1


def test_only_the_reviewed_slices_and_labels_are_scored() -> None:
    region = ReviewedRegion.from_dict({"axial": [[0, 3]], "labels": [1]})
    scores = score_case(reference(region), masks()[1], LABELS).labels
    assert set(scores) == {"jaw"} and scores["jaw"].dice == 1


def test_labels_map_by_name_and_one_that_the_version_lacks_is_missed() -> None:
    other = LabelSet((Label(2, "jaw"), Label(5, "larynx")))
    found = np.where(masks()[1] == 1, 2, 5).astype(np.uint8)
    scores = score_case(reference(ReviewedRegion(whole=True)), found, other).labels
    assert scores["jaw"].dice == pytest.approx(2 * 32 / 96)
    assert scores["cord"].predicted_empty and scores["cord"].value("dice") == 0


def test_a_label_rightly_absent_counts_as_right() -> None:
    nothing = np.zeros(GRID.shape, np.uint8)
    empty = Reference("case", "patient", nothing, GRID, LABELS)
    assert score_case(empty, nothing, LABELS).labels["jaw"].value("nsd") == 1


def test_evaluations_of_thirty_phantoms_lead_to_the_gates_verdicts() -> None:
    cases = []
    for i in range(30):
        volume, labels, grid = asymmetric(shape=(20, 18, 16 + i % 5))
        names = LabelSet(tuple(Label(k, f"part{k}") for k in range(1, 8)))
        cases.append((Reference(f"case{i}", f"patient{i}", labels, grid, names), volume))
    answer = {id(volume): reference.mask for reference, volume in cases}
    ticks = iter(range(10_000))

    def exact(volume: NDArray[np.int16], grid: Geometry) -> NDArray[np.uint8]:
        return answer[id(volume)]

    def noisy(volume: NDArray[np.int16], grid: Geometry) -> NDArray[np.uint8]:
        rng = np.random.default_rng(volume.size)
        return np.where(rng.random(volume.shape) < 0.15, 0, answer[id(volume)]).astype(np.uint8)

    def run(predict: object) -> Evaluation:
        scores = evaluate(cases, predict, names, clock=lambda: float(next(ticks)))  # type: ignore[arg-type]
        scores = tuple(with_calibration(case, dict.fromkeys(protocol.labels, 0.02)) for case in scores)
        return Evaluation(scores, scores)

    protocol = Protocol(("part1", "part2", "part3"), n_bootstrap=1000, catastrophic_drop=0.9)
    good, bad = run(exact), run(noisy)
    assert good.frozen[0].runtime_s == 1.0
    assert decide(good, bad, protocol).outcome == "reject"
    assert decide(bad, good, protocol).outcome == "promote"


def test_the_band_is_five_millimetres_on_both_sides_with_the_real_spacing() -> None:
    truth = np.zeros((40, 3, 40), bool)
    truth[10:30, :, 10:30] = True
    band = near_surface(truth, (1.0, 3.0, 2.5))
    assert np.flatnonzero(band[:, 1, 20]).tolist() == [*range(5, 15), *range(25, 35)]
    assert np.flatnonzero(band[20, 1, :]).tolist() == [8, 9, 10, 11, 28, 29, 30, 31]
    assert np.flatnonzero(near_surface(truth, (8.0, 1.0, 1.0))[:, 1, 20]).tolist() == [9, 10, 29, 30]
    assert not near_surface(np.zeros((4, 4, 4), bool), (1, 1, 1)).any()
    assert not near_surface(np.ones((4, 4, 4), bool), (1, 1, 1)).any()


@pytest.mark.parametrize(("told", "error"), [(lambda p: p, 0.0), (lambda p: np.clip(p + 0.2, 0, 1), 0.2)])
def test_calibration_finds_the_error_that_was_put_in(told: object, error: float) -> None:
    rng = np.random.default_rng(0)
    reliability = Reliability()
    for _ in range(3):
        chance = rng.uniform(0.1, 0.8, (40, 40, 40))
        truth = rng.random(chance.shape) < chance  # everywhere near its own surface
        reliability.add("cord", told(chance), truth, (1.0, 1.0, 1.0))  # type: ignore[operator]
    reliability.add("jaw", np.zeros((4, 4, 4)), np.zeros((4, 4, 4), bool), (1.0, 1.0, 1.0))
    assert reliability.errors() == {"cord": pytest.approx(error, abs=0.01)}


def test_a_label_that_a_version_lacks_counts_as_missed_and_background_is_not_taken_for_it() -> None:
    geometry = Geometry((8, 8, 8), np.eye(4))
    truth = np.zeros(geometry.shape, np.uint8)
    truth[2:6, 2:6, 2:6] = 1
    reference = Reference("case", "patient", truth, geometry, LabelSet((Label(1, "new"),)))
    score = score_case(reference, np.zeros_like(truth), LabelSet((Label(1, "old"),))).labels["new"]
    assert score.predicted_empty and not score.reference_empty
    assert (score.value("dice"), score.value("nsd"), score.hd95_mm) == (0.0, 0.0, None)
    assert score.volume_difference_ml == pytest.approx(-0.064)
