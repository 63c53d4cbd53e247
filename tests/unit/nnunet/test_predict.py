"""One CT gives one mask in the world, however its array is turned, and says no to what it can't do."""

from itertools import permutations, product
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging.geometry import Geometry, reorient
from segloop.nnunet.bundle import import_model
from segloop.nnunet.predict import Cancelled, Predictor
from segloop.nnunet.tiny import expected_labels, write_tiny_model

ORIENTATIONS = ["".join(axes) for pairs in permutations(("RL", "AP", "SI")) for axes in product(*pairs)]


def _predictor(
    folder: Path, weights: Literal["threshold", "random"], labels: int = 3, orientation: str = "RAS"
) -> Predictor:
    write_tiny_model(
        folder / "model", weights=weights, labels=labels, patch=(8, 8, 8), orientation=orientation
    )
    import_model(folder / "model", folder / "bundle")
    return Predictor.load(folder / "bundle", device="cpu")


@pytest.fixture(scope="module")
def mixing(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A network whose answer depends on direction: any flip left in would be seen."""
    return _predictor(tmp_path_factory.mktemp("mixing"), "random", 4, "LPS")


@pytest.fixture(scope="module")
def threshold(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return _predictor(tmp_path_factory.mktemp("threshold"), "threshold")


def _volume(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float] = (3.0, 3.0, 3.0), tilt: float = 0.0
) -> tuple[NDArray[np.int16], Geometry]:
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(spacing_mm)
    values = np.random.default_rng(3).choice(np.array([-900, 0, 700, 1400]), shape)
    return values.astype(np.int16), Geometry(shape, affine)


@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_all_48_orientations_give_the_same_mask_in_the_world(mixing: Predictor, tilt: float) -> None:
    volume, geometry = _volume((12, 10, 9), (3.0, 3.0, 5.0), tilt)
    expected = mixing.predict(volume, geometry)
    assert len(np.unique(expected)) > 1
    for orientation in ORIENTATIONS:
        turned, grid = reorient(volume, geometry, orientation)
        mask = mixing.predict(turned, grid)
        assert mask.shape == turned.shape
        np.testing.assert_array_equal(reorient(mask, grid, geometry.orientation)[0], expected, orientation)


@pytest.mark.parametrize("shape", [(12, 9, 20), (5, 4, 3), (11, 10, 1)])
def test_each_voxel_gets_its_own_class_also_when_smaller_than_the_patch(
    threshold: Predictor, shape: tuple[int, int, int]
) -> None:
    volume, geometry = _volume(shape)
    np.testing.assert_array_equal(threshold.predict(volume, geometry), expected_labels(volume, 3))


def test_a_volume_of_thick_slices_comes_back_on_its_own_grid(threshold: Predictor) -> None:
    volume, geometry = _volume((24, 18, 7), (1.0, 1.0, 5.0))
    volume[:12], volume[12:] = -900, 1400
    mask = threshold.predict(volume, geometry)
    assert mask.shape == volume.shape
    assert (mask[:9] == 0).all()
    assert (mask[15:] == 3).all()


def test_a_constant_volume_gets_one_class(threshold: Predictor) -> None:
    _, geometry = _volume((9, 9, 9))
    assert (threshold.predict(np.full((9, 9, 9), 1400, np.int16), geometry) == 3).all()
    assert np.unique(threshold.predict(np.zeros((9, 9, 9), np.int16), geometry)).size == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_no_numbers_are_refused(threshold: Predictor, value: float) -> None:
    volume, geometry = _volume((9, 9, 9))
    broken = volume.astype(np.float32)
    broken[4, 4, 4] = value
    with pytest.raises(InvalidInput) as refused:
        threshold.predict(broken, geometry)
    assert refused.value.code == "not_finite"


def test_cancelling_between_tiles_stops_and_leaves_the_threads_as_they_were(threshold: Predictor) -> None:
    volume, geometry = _volume((20, 20, 20))
    seen: list[float] = []
    threads = torch.get_num_threads()
    with pytest.raises(Cancelled):
        threshold.predict(
            volume,
            geometry,
            progress=lambda stage, fraction: seen.append(fraction),
            cancelled=lambda: len(seen) > 3,
        )
    assert len(seen) == 4
    assert seen == sorted(seen)
    assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(threshold.predict(volume, geometry), expected_labels(volume, 3))


def test_a_network_that_gives_no_numbers_is_refused_and_not_taken_for_background(tmp_path: Path) -> None:
    predictor = _predictor(tmp_path, "random")
    network = next(iter(predictor.networks("exact")))
    assert isinstance(network, torch.nn.Module)
    with torch.no_grad():
        next(network.parameters()).fill_(torch.nan)
    with pytest.raises(InvalidInput) as refused:
        predictor.predict(*_volume((12, 10, 9)))
    assert refused.value.code == "prediction_overflow"


def test_a_gpu_that_is_full_when_a_model_is_loaded_is_not_called_a_broken_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    _predictor(tmp_path, "threshold")
    monkeypatch.setattr(torch.nn.Module, "to", full)
    with pytest.raises(InvalidInput) as refused:
        Predictor.load(tmp_path / "bundle", device="cpu")
    assert refused.value.code == "gpu_memory_short"
