"""Our masks are those of nnU-Net's own predictor, voxel by voxel, with and without mirroring."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray

from segloop.imaging import nifti
from segloop.imaging.geometry import Geometry
from segloop.nnunet import bundle
from segloop.nnunet.plans import build_network
from segloop.nnunet.predict import Predictor
from segloop.nnunet.tiny import write_tiny_model
from tests.devices import DEVICES


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """Where both compute; a GPU's results are compared with nnU-Net's on the same GPU."""
    return str(request.param)


def _nnunet(folder: Path, device: str, *, mirroring: bool = False) -> nnUNetPredictor:
    """Return nnU-Net's own predictor of a bundle."""
    info = bundle.read_bundle(folder)
    plans = PlansManager(info.plans)
    predictor = nnUNetPredictor(
        tile_step_size=0.5,
        use_gaussian=True,
        use_mirroring=mirroring,
        perform_everything_on_device=device != "cpu",
        device=torch.device(device),
        allow_tqdm=False,
    )
    predictor.manual_initialization(
        build_network(info.plans, info.configuration, n_channels=1, n_classes=info.n_outputs)
        .eval()
        .to(device),
        plans,
        plans.get_configuration(info.configuration),
        [bundle.load_weights(folder, fold) for fold in info.folds],
        info.dataset,
        "nnUNetTrainer",
        info.mirroring_axes,
    )
    return predictor


def _reference(
    predictor: nnUNetPredictor, volume: NDArray[np.float32], spacing_mm: tuple[float, ...]
) -> NDArray[np.uint8]:
    """What nnU-Net answers on a volume (x, y, z) that is in the model's orientation already."""
    image = np.ascontiguousarray(volume.transpose(2, 1, 0))[None]
    mask: NDArray[np.uint8] = predictor.predict_single_npy_array(
        image, {"spacing": list(spacing_mm[::-1])}, None, None, False
    )
    return mask.transpose(2, 1, 0)


def _require_ties(
    predictor: nnUNetPredictor,
    volume: NDArray[np.float32],
    spacing_mm: tuple[float, ...],
    masks: tuple[NDArray[Any], NDArray[Any]],
) -> None:
    """Check that wherever two masks differ, nnU-Net's own outputs for the two classes are the same but for rounding.

    Those outputs are in half precision, and sums in another order round otherwise: two steps of it are allowed.
    """
    where = np.argwhere(masks[0] != masks[1])
    if not len(where):
        return
    plans, configuration = predictor.plans_manager, predictor.configuration_manager
    properties: dict[str, Any] = {"spacing": list(spacing_mm[::-1])}
    image = np.ascontiguousarray(volume.transpose(2, 1, 0))[None]
    data, _, properties = DefaultPreprocessor(verbose=False).run_case_npy(
        image, None, properties, plans, configuration, predictor.dataset_json
    )
    low = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data))
    forward, inner = plans.transpose_forward, properties["shape_after_cropping_and_before_resampling"]
    spacing = [properties["spacing"][axis] for axis in forward]
    network_spacing = [*spacing[: 3 - len(configuration.spacing)], *configuration.spacing]
    values = np.asarray(configuration.resampling_fn_probabilities(low, inner, network_spacing, spacing))
    corner = [first for first, _ in properties["bbox_used_for_cropping"]]
    for x, y, z in where:
        place = tuple(np.array([z, y, x])[forward] - corner)
        pair = [float(values[int(mask[x, y, z])][place]) for mask in masks]
        step = np.spacing(np.float16(max(map(abs, pair))))
        assert abs(pair[0] - pair[1]) <= 2 * float(step), ((x, y, z), pair)


def _check(
    tmp_path: Path,
    device: str,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    *,
    at_least: int,
    mirroring: bool = False,
) -> None:
    """Compare the two masks of noise on a grid, in which at least so many classes must appear."""
    bundle.import_model(tmp_path / "model", tmp_path / "bundle")
    volume = np.random.default_rng(5).normal(200, 600, shape).astype(np.float32)
    volume[:2] = 0  # an empty border, so that the crop to what is not zero takes part
    geometry = Geometry(shape, np.diag([*spacing_mm, 1.0]))
    nnunet = _nnunet(tmp_path / "bundle", device, mirroring=mirroring)
    expected = _reference(nnunet, volume, geometry.spacing_mm)
    assert len(np.unique(expected)) >= at_least, np.unique(expected)
    ours = Predictor.load(tmp_path / "bundle", device=device)
    mask = ours.predict(volume, geometry, profile="exact+mirroring" if mirroring else "exact")
    assert (mask.shape, mask.dtype) == (expected.shape, expected.dtype)
    assert np.count_nonzero(mask != expected) <= max(2, mask.size // 10_000)
    _require_ties(nnunet, volume, geometry.spacing_mm, (mask, expected))


@pytest.mark.parametrize(
    ("shape", "spacing_mm"),
    [
        ((40, 36, 30), (3.0, 3.0, 3.0)),
        ((64, 48, 40), (2.0, 2.3, 2.5)),
        ((40, 40, 9), (1.0, 1.0, 5.0)),
        ((9, 11, 7), (4.0, 3.0, 3.0)),
    ],
    ids=["same spacing", "resampled", "separate z", "smaller than the patch"],
)
def test_masks_equal_those_of_nnunet(
    tmp_path: Path, device: str, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> None:
    write_tiny_model(tmp_path / "model", weights="random", labels=6, patch=(16, 16, 16))
    _check(tmp_path, device, shape, spacing_mm, at_least=6)


@pytest.mark.parametrize("patch", [(16, 16, 16), (16, 24)], ids=["3D", "2D"])
def test_mirrored_patches_are_averaged_as_nnunet_does(
    tmp_path: Path, device: str, patch: tuple[int, ...]
) -> None:
    spacing_mm = (3.0, 3.0, 3.0)[-len(patch) :]
    write_tiny_model(tmp_path / "model", weights="random", labels=6, patch=patch, spacing_mm=spacing_mm)
    _check(tmp_path, device, (34, 30, 13), (2.5, 3.5, 4.0), at_least=5, mirroring=True)
    bundle_folder, geometry = tmp_path / "bundle", Geometry((34, 30, 13), np.diag([2.5, 3.5, 4.0, 1.0]))
    volume = np.random.default_rng(5).normal(200, 600, geometry.shape).astype(np.float32)
    plain = Predictor.load(bundle_folder, device=device).predict(volume, geometry)
    mirrored = Predictor.load(bundle_folder, device=device).predict(
        volume, geometry, profile="exact+mirroring"
    )
    assert np.mean(plain != mirrored) > 0.01


def test_one_class_equals_nnunet(tmp_path: Path, device: str) -> None:
    write_tiny_model(tmp_path / "model", weights="random", labels=1, patch=(16, 16, 16))
    _check(tmp_path, device, (30, 28, 26), (2.0, 2.5, 3.5), at_least=2)


def test_thirty_classes_equal_those_of_nnunet(tmp_path: Path, device: str) -> None:
    write_tiny_model(tmp_path / "model", weights="random", labels=30, patch=(16, 16, 16))
    _check(tmp_path, device, (44, 36, 30), (2.5, 3.0, 3.5), at_least=20)


def test_more_labels_than_a_byte_holds_equal_those_of_nnunet(tmp_path: Path, device: str) -> None:
    write_tiny_model(tmp_path / "model", weights="random", labels=300, patch=(8, 8, 8))
    _check(tmp_path, device, (20, 18, 14), (2.5, 3.0, 3.5), at_least=100)


@pytest.mark.parametrize(
    ("shape", "spacing_mm"),
    [((40, 36, 12), (2.0, 2.5, 5.0)), ((11, 13, 7), (3.0, 3.0, 2.0))],
    ids=["resampled", "smaller than the patch"],
)
def test_a_2d_model_equals_nnunet(
    tmp_path: Path, device: str, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> None:
    write_tiny_model(tmp_path / "model", weights="random", labels=6, patch=(16, 24), spacing_mm=(3.0, 2.0))
    _check(tmp_path, device, shape, spacing_mm, at_least=6)


@pytest.mark.parametrize("transpose", [(1, 0, 2), (2, 0, 1)])
@pytest.mark.parametrize("patch", [(12, 16, 20), (16, 20)], ids=["3D", "2D"])
def test_models_planned_on_turned_axes_equal_nnunet(
    tmp_path: Path, device: str, transpose: tuple[int, int, int], patch: tuple[int, ...]
) -> None:
    write_tiny_model(
        tmp_path / "model",
        weights="random",
        labels=6,
        patch=patch,
        spacing_mm=(4.0, 2.0, 3.0)[-len(patch) :],
        transpose=transpose,
    )
    _check(tmp_path, device, (40, 33, 21), (1.5, 2.5, 3.5), at_least=6)


def _mask_for_norm(plans: dict[str, Any], dataset: dict[str, Any]) -> None:
    (settings,) = plans["configurations"].values()
    settings.update(normalization_schemes=["ZScoreNormalization"], use_mask_for_norm=[True])


def _torch_resampling(plans: dict[str, Any], dataset: dict[str, Any]) -> None:
    (settings,) = plans["configurations"].values()
    for kind in ("data", "seg", "probabilities"):
        settings[f"resampling_fn_{kind}"] = "resample_torch_fornnunet"
        settings[f"resampling_fn_{kind}_kwargs"] = {"is_seg": kind == "seg", "force_separate_z": None}


def _ignore_label(plans: dict[str, Any], dataset: dict[str, Any]) -> None:
    dataset["labels"]["ignore"] = 7


@pytest.mark.parametrize("change", [_mask_for_norm, _torch_resampling, _ignore_label])
@pytest.mark.parametrize("thickness_mm", [2.0, 6.0], ids=["resampled", "separate z"])
def test_what_plans_may_say_equals_nnunet(
    tmp_path: Path, device: str, change: Callable[[dict[str, Any], dict[str, Any]], None], thickness_mm: float
) -> None:
    write_tiny_model(tmp_path / "model", weights="random", labels=6, patch=(16, 16, 16))
    files = tmp_path / "model" / "plans.json", tmp_path / "model" / "dataset.json"
    plans, dataset = (json.loads(file.read_text()) for file in files)
    change(plans, dataset)
    for file, body in zip(files, (plans, dataset), strict=True):
        file.write_text(json.dumps(body))
    _check(tmp_path, device, (44, 40, 12), (1.7, 2.0, thickness_mm), at_least=6)


@pytest.mark.parametrize("thickness_mm", [2.0, 6.0], ids=["resampled", "separate z"])
@pytest.mark.parametrize("change", [None, _torch_resampling], ids=["ours", "nnU-Net's resampling"])
def test_overlapping_regions_are_painted_as_nnunet_does(
    tmp_path: Path,
    device: str,
    change: Callable[[dict[str, Any], dict[str, Any]], None] | None,
    thickness_mm: float,
) -> None:
    write_tiny_model(tmp_path / "model", weights="random", labels=3, patch=(16, 16, 16))
    files = tmp_path / "model" / "plans.json", tmp_path / "model" / "dataset.json"
    plans, dataset = (json.loads(file.read_text()) for file in files)
    # Four outputs; the last ones are painted over the first, and the order of the numbers is not that of the outputs.
    dataset["labels"] = {"background": 0, "whole": [1, 2, 3], "bone": 4, "core": [2, 3], "inner": 3}
    dataset["regions_class_order"] = [1, 4, 2, 3]
    if change is not None:
        change(plans, dataset)
    for file, body in zip(files, (plans, dataset), strict=True):
        file.write_text(json.dumps(body))
    _balance(tmp_path / "model")
    _check(tmp_path, device, (44, 40, 12), (1.7, 2.0, thickness_mm), at_least=4)


def _balance(model: Path) -> None:
    """Shift the outputs' biases so that each region takes about a third of noise; random weights make all or nothing."""
    file = model / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(file, weights_only=False)
    weights = checkpoint["network_weights"]
    plans = json.loads((model / "plans.json").read_text())
    network = build_network(plans, "3d_fullres", n_channels=1, n_classes=4).eval()
    network.load_state_dict(weights)
    noise = torch.from_numpy(np.random.default_rng(3).normal(0.2, 0.6, (1, 1, 16, 16, 16))).float()
    with torch.no_grad():
        outputs = network(noise)[0].flatten(1)
    (head,) = [name for name in weights if re.fullmatch(r"decoder\.seg_layers\.\d+\.bias", name)]
    weights[head] -= outputs.quantile(0.66, dim=1)
    torch.save(checkpoint, file)


def test_two_folds_are_averaged_as_nnunet_does(tmp_path: Path, device: str) -> None:
    model = write_tiny_model(tmp_path / "model", weights="random", labels=4, patch=(16, 16, 16))
    other = write_tiny_model(tmp_path / "other", weights="random", labels=4, patch=(16, 16, 16), seed=1)
    (other / "fold_0").rename(model / "fold_1")
    assert bundle.import_model(model, tmp_path / "bundle").folds == ["0", "1"]
    volume = np.random.default_rng(6).normal(200, 600, (30, 26, 20)).astype(np.float32)
    geometry = Geometry((30, 26, 20), np.diag([3.0, 3.0, 3.0, 1.0]))
    expected = _reference(_nnunet(tmp_path / "bundle", device), volume, geometry.spacing_mm)
    mask = Predictor.load(tmp_path / "bundle", device=device).predict(volume, geometry)
    np.testing.assert_array_equal(mask, expected)
    assert len(np.unique(expected)) > 1


@pytest.mark.parametrize("patch", [(16, 16, 16), (16, 24)], ids=["3D", "2D"])
@pytest.mark.parametrize("n_folds", [1, 2])
def test_fast_differs_from_exact_in_single_voxels_at_most(
    tmp_path: Path, device: str, patch: tuple[int, ...], n_folds: int
) -> None:
    spacing_mm = (3.0, 3.0, 3.0)[-len(patch) :]
    for fold in range(n_folds):
        options = {"weights": "random", "labels": 6, "patch": patch, "spacing_mm": spacing_mm, "seed": fold}
        model = write_tiny_model(tmp_path / f"model{fold}", **options)
        (model / "fold_0").rename(tmp_path / "model0" / f"fold_{fold}")
    bundle.import_model(tmp_path / "model0", tmp_path / "bundle")
    geometry = Geometry((44, 36, 30), np.diag([2.5, 3.5, 3.0, 1.0]))
    volume = np.random.default_rng(5).normal(200, 600, geometry.shape).astype(np.float32)
    predictor = Predictor.load(tmp_path / "bundle", device=device)
    bytes_before = predictor.memory_bytes
    exact, fast = predictor.predict(volume, geometry), predictor.predict(volume, geometry, profile="fast")
    assert len(np.unique(exact)) >= 5
    # Noise has a boundary in every voxel, so this is the hardest that there is.
    assert np.mean(fast != exact) <= (1e-3 if device == "cpu" else 1e-2)
    assert predictor.memory_bytes == (3 if device == "cpu" else 2) * bytes_before
    np.testing.assert_array_equal(predictor.predict(volume, geometry), exact)
    np.testing.assert_array_equal(predictor.predict(volume, geometry, profile="fast"), fast)


@pytest.mark.parametrize("tilt", [0.1, 0.3, 0.5, -0.4])
@pytest.mark.parametrize(
    ("spacing_mm", "target_mm"), [((1.0, 1.0, 3.0), (2.0, 2.0, 2.0)), ((0.75, 0.75, 1.5), (1.5, 1.5, 1.5))]
)
def test_an_oblique_file_equals_nnunet_with_its_own_reader(
    tmp_path: Path,
    device: str,
    spacing_mm: tuple[float, float, float],
    target_mm: tuple[float, float, float],
    tilt: float,
) -> None:
    # The last bits of an oblique affine's column lengths decide here: 3 mm to 1 mm is nnU-Net's limit for thick slices, and
    # 33 voxels of 0.75 mm are 16.5 of 1.5 mm.
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    about = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ about @ np.diag(spacing_mm)
    values = np.random.default_rng(8).normal(200, 600, (33, 33, 21)).astype(np.int16)
    image = nib.Nifti1Image(values, affine)  # type: ignore[no-untyped-call]
    image.header.set_zooms(spacing_mm)  # type: ignore[no-untyped-call]
    nib.save(image, tmp_path / "ct.nii.gz")  # type: ignore[no-untyped-call]

    write_tiny_model(tmp_path / "model", weights="random", labels=4, patch=(16, 16, 16), spacing_mm=target_mm)
    bundle.import_model(tmp_path / "model", tmp_path / "bundle")
    data, properties = SimpleITKIO().read_images([str(tmp_path / "ct.nii.gz")])
    nnunet = _nnunet(tmp_path / "bundle", device)
    expected = nnunet.predict_single_npy_array(data, properties, None, None, False).transpose(2, 1, 0)
    array, geometry = nifti.load(tmp_path / "ct.nii.gz")
    mask = Predictor.load(tmp_path / "bundle", device=device).predict(array, geometry)
    assert np.count_nonzero(mask != expected) <= 2


def test_fold_all_beside_numbered_folds_is_left_out_as_nnunet_does(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model", weights="random", labels=4, patch=(16, 16, 16))
    other = write_tiny_model(tmp_path / "other", weights="random", labels=4, patch=(16, 16, 16), seed=1)
    (other / "fold_0").rename(model / "fold_all")
    assert nnUNetPredictor.auto_detect_available_folds(str(model), "checkpoint_final.pth") == [0]
    assert bundle.import_model(model, tmp_path / "bundle").folds == ["0"]
    (model / "fold_0" / "checkpoint_final.pth").unlink()
    assert bundle.import_model(model, tmp_path / "alone").folds == ["all"]
