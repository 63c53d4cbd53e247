"""Cases reach nnU-Net unturned from any orientation, and sides change with the image."""

import json
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

from segloop.imaging.geometry import reorient
from segloop.imaging.phantom import asymmetric
from segloop.nnunet.mirror import MirrorSides
from segloop.nnunet.tiny import write_tiny_model
from segloop.nnunet.workspace import Workspace
from segloop.training.label_sets import LabelSets, mirror_pairs
from segloop.training.recipe import Recipe

NAMES = ("cord", "parotid_right", "parotid_left", "jaw", "larynx", "eye-l", "eye-r")
TABLE = LabelSets(8).extended([{0, 2}, {0, 5, 6}], mirror_pairs(NAMES))
ORIENTATIONS = ["".join(codes) for axes in permutations(("RL", "AP", "SI")) for codes in product(*axes)]


def workspace(folder: Path, orientation: str = "RAS", transpose: tuple[int, ...] = (0, 1, 2)) -> Workspace:
    model = write_tiny_model(folder / "tiny", label_names=NAMES)
    plans, dataset = (json.loads((model / f"{name}.json").read_text()) for name in ("plans", "dataset"))
    back = [transpose.index(axis) for axis in range(3)]
    plans |= {"transpose_forward": list(transpose), "transpose_backward": back}
    return Workspace(
        folder / "run", plans, dataset, "3d_fullres", orientation, TABLE, Recipe(), ("case",), (), ()
    )


def stored(run: Workspace, case: str) -> tuple[np.ndarray, np.ndarray, dict]:  # type: ignore[type-arg]
    data, seg, _, properties = nnUNetDatasetBlosc2(str(run.case_folder), [case]).load_case(case)
    return np.asarray(data[:]), np.asarray(seg[:]), properties


def test_the_same_case_in_all_48_orientations_is_preprocessed_to_the_same_arrays(tmp_path: Path) -> None:
    run = workspace(tmp_path)
    run.save()
    volume, labels, grid = asymmetric(shape=(12, 11, 10))
    codes = labels.astype(np.int16) + (labels == 0) * np.int16(TABLE.n_codes - 1)
    run.add_case("first", volume, codes, grid)
    first = stored(run, "first")
    assert np.array_equal(first[1][0], codes.transpose(2, 1, 0))
    for orientation in ORIENTATIONS:
        turned, turned_grid = reorient(volume, grid, orientation)
        run.add_case("case", turned, reorient(codes, grid, orientation)[0], turned_grid)
        data, seg, _ = stored(run, "case")
        assert np.array_equal(data, first[0]) and np.array_equal(seg, first[1]), orientation


@pytest.mark.parametrize("transpose", list(permutations(range(3))))
@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "SLA"])
def test_the_left_right_axis_is_where_left_becomes_right(
    tmp_path: Path, orientation: str, transpose: tuple[int, ...]
) -> None:
    run = workspace(tmp_path, orientation, transpose)
    run.save()
    volume, _, grid = asymmetric(shape=(12, 11, 10))
    sides = np.where(np.arange(12) < 6, 2, 3)[:, None, None] * np.ones(volume.shape, np.int16)
    run.add_case("case", volume, sides.astype(np.int16), grid)
    _, seg, _ = stored(run, "case")
    flipped = np.flip(seg, run.left_right_axis + 1)
    assert np.array_equal(flipped, 5 - seg)


def test_patches_are_centred_on_what_teaches_something_label_sets_included(tmp_path: Path) -> None:
    run = workspace(tmp_path)
    run.save()
    volume, _, grid = asymmetric(shape=(12, 11, 10))
    partial = TABLE.code({0, 2})
    codes = np.full(volume.shape, TABLE.ignore, np.int16)
    codes[:4], codes[0, 0, 0] = partial, 1
    run.add_case("case", volume, codes, grid)
    _, seg, properties = stored(run, "case")
    where = properties["class_locations"]
    anywhere = seg[tuple(np.asarray(where[(-1, *range(8))]).T)]
    assert set(anywhere.tolist()) == {partial, 1} and len(where[1]) == 1 and len(where[2]) == 0


def test_a_later_correction_of_a_case_replaces_it(tmp_path: Path) -> None:
    run = workspace(tmp_path)
    run.save()
    volume, _, grid = asymmetric(shape=(12, 11, 10))
    for value in (1, 4):
        run.add_case("case", volume, np.full(volume.shape, value, np.int16), grid)
    assert set(np.unique(stored(run, "case")[1])) == {4}
    assert len(list(run.case_folder.iterdir())) == 3


def test_a_workspace_comes_back_from_its_folder(tmp_path: Path) -> None:
    run = workspace(tmp_path)
    run.save()
    assert Workspace.load(run.folder) == run


@pytest.mark.parametrize("name", ["../up", "a b", ""])
def test_a_case_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    volume, labels, grid = asymmetric(shape=(12, 11, 10))
    with pytest.raises(ValueError, match="file's name"):
        workspace(tmp_path).add_case(name, volume, labels.astype(np.int16), grid)


def test_mirrored_left_and_right_change_names_also_inside_sets_and_padding_stays() -> None:
    mirror = MirrorSides((2,), 2, TABLE, mirror_pairs(NAMES))
    one, other = TABLE.code({0, 2}), TABLE.code({0, 3})
    seg = torch.tensor([2, 3, 1, -1, one, TABLE.ignore], dtype=torch.int16).reshape(1, 1, 1, 6)
    flipped = mirror._apply_to_segmentation(seg, axes=[2]).flatten().tolist()
    assert flipped == [TABLE.ignore, other, -1, 1, 2, 3]
    assert mirror._apply_to_segmentation(seg, axes=[1]).flatten().tolist() == seg.flatten().tolist()
    assert mirror._apply_to_segmentation(seg, axes=[]).dtype == torch.int16


def test_axes_are_flipped_about_half_of_the_time_and_no_others() -> None:
    torch.manual_seed(0)
    mirror = MirrorSides((0, 2), 2, TABLE, {})
    drawn = [mirror.get_parameters()["axes"] for _ in range(400)]
    assert {axis for axes in drawn for axis in axes} == {0, 2}
    assert 150 < sum(2 in axes for axes in drawn) < 250
