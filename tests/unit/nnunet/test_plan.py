"""Fresh plans: nnU-Net's own, of what people vouched for, whatever the volumes' orientation."""

import json
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

from segloop.errors import InvalidInput
from segloop.imaging.geometry import Geometry, reorient
from segloop.imaging.phantom import head_and_neck
from segloop.nnunet.plan import PlanningCase, plan
from segloop.nnunet.plans import build_network
from segloop.nnunet.verify import read_labels, require_one_channel
from tests.training_runs import NAMES

IGNORE, SET = len(NAMES) + 1, len(NAMES) + 2


def phantom(seed: int = 0, orientation: str = "LPS") -> PlanningCase:
    volume, mask, geometry = head_and_neck(
        shape=(36, 32, 34), spacing_mm=(6.0, 7.0, 8.0), seed=seed, orientation=orientation
    )
    return PlanningCase(f"case{seed}", volume, mask.astype(np.int16), geometry)


def box(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> PlanningCase:
    volume = np.full(shape, -1000, dtype=np.int16)
    volume[1:-1, 1:-1, 1:-1] = np.random.default_rng(0).integers(0, 300, tuple(n - 2 for n in shape))
    target = np.zeros(shape, dtype=np.int16)
    target[2:-2, 2:-2, 2:-2] = 1
    return PlanningCase("box", volume, target, Geometry(shape, np.diag([*spacing_mm, 1.0])))


def statistics(plans: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = plans["foreground_intensity_properties_per_channel"]["0"]
    return found


def test_small_plans_are_fit_for_a_run_and_for_an_import(tmp_path: Path) -> None:
    plans, dataset, configuration = plan(tmp_path, [phantom(0), phantom(1)], NAMES, size="small")
    assert configuration == "3d_fullres" and list(plans["configurations"]) == [configuration]
    assert [label["name"] for label in read_labels(dataset)] == list(NAMES)
    require_one_channel(dataset)
    assert dataset["orientation"] == "RAS" and dataset["numTraining"] == 2
    settings = plans["configurations"][configuration]
    assert plans["transpose_forward"] == [0, 1, 2] and settings["spacing"] == [8.0, 7.0, 6.0]
    assert settings["batch_size"] == 2 and settings["batch_dice"] is True
    assert settings["architecture"]["arch_kwargs"]["features_per_stage"] == [16, 32, 64, 128]
    network = build_network(plans, configuration, n_channels=1, n_classes=len(NAMES) + 1)
    assert sum(p.numel() for p in network.parameters()) < 2e6


@pytest.mark.parametrize("orientation", ["RAS", "PIL", "SLA"])
def test_a_volume_s_orientation_changes_nothing(tmp_path: Path, orientation: str) -> None:
    case = phantom()
    volume, grid = reorient(case.volume, case.geometry, orientation)
    target, _ = reorient(case.target, case.geometry, orientation)
    expected = plan(tmp_path / "a", [case], NAMES, size="small")
    found = plan(tmp_path / "b", [PlanningCase("case", volume, target, grid)], NAMES, size="small")
    assert statistics(found[0]) == pytest.approx(statistics(expected[0]), rel=0.02, abs=3)
    for plans in (expected[0], found[0]):
        plans.pop("foreground_intensity_properties_per_channel")
    assert found == expected


def test_what_nobody_vouched_for_adds_nothing_to_the_intensities(tmp_path: Path) -> None:
    case = phantom()
    plain, *_ = plan(tmp_path, [case], NAMES, size="small")
    for code in (0, IGNORE, SET):
        case.target[code % 3 :: 4, :8] = code
        case.volume[code % 3 :: 4, :8] = 3000
    changed, *_ = plan(tmp_path, [case], NAMES, size="small")
    assert statistics(changed)["max"] < 3000 and statistics(plain)["max"] < 3000
    case.volume[case.target == IGNORE] = -1000  # the crop to what is not 0 stays as it was
    assert statistics(plan(tmp_path, [case], NAMES, size="small")[0]) == statistics(changed)


def test_the_fingerprint_is_the_one_that_nnunet_takes_of_files(tmp_path: Path) -> None:
    case = phantom(orientation="RAS")
    case.volume[:5] = 0  # a border that nnU-Net crops
    case.target[:5] = 0
    for name, array in (("image", case.volume), ("labels", case.target)):
        image = nib.nifti1.Nifti1Image(array.astype(np.int16), case.geometry.affine)
        nib.save(image, tmp_path / f"{name}.nii.gz")  # type: ignore[attr-defined]
    shape, spacing, (drawn,), _, kept = DatasetFingerprintExtractor.analyze_case(
        [str(tmp_path / "image.nii.gz")], str(tmp_path / "labels.nii.gz"), SimpleITKIO, 50_000
    )
    plans, *_ = plan(tmp_path, [case], NAMES, size="full")
    (file,) = tmp_path.glob("planning/preprocessed/*/dataset_fingerprint.json")
    fingerprint = json.loads(file.read_text())
    assert fingerprint["shapes_after_crop"] == [list(shape)] and shape[2] == 31
    np.testing.assert_allclose(fingerprint["spacings"], [spacing], rtol=1e-5)
    assert fingerprint["median_relative_size_after_cropping"] == pytest.approx(kept)
    low, median, high = np.percentile(drawn, (0.5, 50, 99.5))
    found = statistics(plans)
    assert [found[key] for key in ("percentile_00_5", "median", "percentile_99_5")] == [low, median, high]
    assert found["mean"] == pytest.approx(drawn.mean()) and found["std"] == pytest.approx(drawn.std())


def test_thick_slices_are_not_pooled_before_the_others_are_as_coarse(tmp_path: Path) -> None:
    plans, _, configuration = plan(tmp_path, [box((96, 96, 24), (1.0, 1.0, 5.0))], ["box"], size="small")
    network = plans["configurations"][configuration]["architecture"]["arch_kwargs"]
    assert network["kernel_sizes"][0] == [1, 3, 3] and network["strides"][1] == [1, 2, 2]


def test_small_plans_coarsen_large_images_and_full_ones_do_not(tmp_path: Path) -> None:
    case = box((176, 176, 176), (1.0, 1.0, 1.0))
    small, _, name = plan(tmp_path, [case], ["box"], size="small")
    full, _, _ = plan(tmp_path, [case], ["box"], size="full", memory_gb=4.0)
    settings = small["configurations"][name]
    assert min(settings["spacing"]) > 1.2 and settings["median_image_size_in_voxels"][0] < 140
    assert 0.4 * 48**3 < np.prod(settings["patch_size"]) < 1.5 * 48**3
    assert full["configurations"][name]["spacing"] == [1.0, 1.0, 1.0]
    assert np.prod(full["configurations"][name]["patch_size"]) > 4 * 48**3


def test_a_second_plan_in_the_same_folder_keeps_nothing_of_the_first(tmp_path: Path) -> None:
    plan(tmp_path, [box((176, 176, 176), (1.0, 1.0, 1.0))], ["box"], size="small")
    again = plan(tmp_path, [phantom()], NAMES, size="small")
    assert again == plan(tmp_path / "other", [phantom()], NAMES, size="small")


def test_one_case_is_in_memory_at_a_time(tmp_path: Path) -> None:
    alive: list[weakref.ref[Any]] = []

    def cases() -> Iterator[PlanningCase]:
        for seed in range(3):
            assert not [one for one in alive if one() is not None]
            case = phantom(seed)
            alive.append(weakref.ref(case.volume))
            yield case
            del case

    plan(tmp_path, cases(), NAMES, size="small")
    assert len(alive) == 3


def refusal(folder: Path, cases: list[PlanningCase], labels: tuple[str, ...] = NAMES) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        plan(folder, cases, labels, size="small")
    return refused.value


def test_labels_that_no_case_has_are_named(tmp_path: Path) -> None:
    case = phantom()
    case.target[case.target == NAMES.index("larynx") + 1] = IGNORE
    some = refusal(tmp_path, [case])
    assert some.code == "labels_missing" and "larynx" in some.message and "mandible" not in some.message
    case.target[...] = SET
    every = refusal(tmp_path, [case])
    assert every.code == "labels_missing" and all(name in every.message for name in NAMES)
    assert case.target.max() == SET and not (tmp_path / "planning").exists()


def test_no_case_equal_names_and_one_value_everywhere_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, []).code == "too_few_cases"
    assert refusal(tmp_path, [phantom()], ("a", "a")).code == "model_labels_invalid"
    assert refusal(tmp_path, [phantom()], ("a", "background")).code == "model_labels_invalid"
    assert refusal(tmp_path, [phantom()], ("a", "ignore")).code == "model_labels_invalid"
    case = phantom()
    case.volume[...] = 40
    assert refusal(tmp_path, [case]).code == "intensities_flat"


def test_planning_needs_no_torchvision() -> None:
    code = "import sys; sys.modules['torchvision'] = None; import segloop.nnunet.plan"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
