"""What nobody vouched for is never background: targets of reviewed masks, on every orientation."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging.geometry import Geometry, reorient
from segloop.imaging.labels import Label, LabelSet
from segloop.training.label_sets import LabelSets, has_lone_side, mirror_pairs
from segloop.training.target import ReviewedRegion, possible_sets, training_target

CLASSES = ("brainstem", "parotid_right", "parotid_left", "mandible")
PAIRS = {2: 3, 3: 2}
# A project's own indices: with a gap, in another order, and with a label that the model lacks.
LABELS = LabelSet(
    (
        Label(1, "mandible"),
        Label(2, "brainstem"),
        Label(4, "parotid_left"),
        Label(5, "tongue"),
        Label(7, "parotid_right"),
    )
)
SHAPE = (5, 4, 6)
GRID = Geometry(SHAPE, np.diag([1.0, 2.0, 3.0, 1.0]))
ORIENTATIONS = ["".join(codes) for axes in permutations(("RL", "AP", "SI")) for codes in product(*axes)]


def ranges(n: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    one = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).map(lambda r: (min(r), max(r)))
    return st.lists(one, max_size=2)


REGIONS = st.builds(
    ReviewedRegion,
    whole=st.booleans(),
    ranges=st.fixed_dictionaries(
        {"sagittal": ranges(SHAPE[0]), "coronal": ranges(SHAPE[1]), "axial": ranges(SHAPE[2])}
    ),
    labels=st.none() | st.sets(st.sampled_from(LABELS.indices)).map(frozenset),
)
MASKS = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).choice([0, 0, *LABELS.indices], SHAPE).astype(np.uint8)
)


def encode(
    mask: NDArray[np.uint8], region: ReviewedRegion, grid: Geometry = GRID
) -> tuple[NDArray[np.int16], LabelSets]:
    table = LabelSets(len(CLASSES) + 1).extended(possible_sets(region, LABELS, CLASSES), PAIRS)
    return training_target(mask, grid, region, LABELS, CLASSES, table), table


def to_classes(mask: NDArray[np.uint8]) -> NDArray[np.int64]:
    names = {label.index: label.name for label in LABELS.labels}
    of = [CLASSES.index(names[i]) + 1 if names.get(i) in CLASSES else 0 for i in range(8)]
    return np.array(of)[mask]


@given(MASKS, MASKS, REGIONS)
@settings(deadline=None)
def test_the_truth_is_always_possible_whatever_the_unreviewed_part_of_the_mask_says(
    truth: NDArray[np.uint8], guess: NDArray[np.uint8], region: ReviewedRegion
) -> None:
    reviewed = frozenset(LABELS.indices) if region.labels is None else region.labels
    inside = region.voxels(GRID)
    # A person made the reviewed labels right inside the region; all else is a model's guess.
    unsure = np.where(np.isin(guess, sorted(reviewed)), 0, guess)
    mask = np.where(inside, np.where(np.isin(truth, sorted(reviewed)), truth, unsure), guess)
    codes, table = encode(mask.astype(np.uint8), region)
    assert np.take_along_axis(table.membership[codes], to_classes(truth)[..., None], -1).all()


@given(MASKS, REGIONS)
@settings(deadline=None)
def test_background_is_certain_only_where_every_class_was_reviewed(
    mask: NDArray[np.uint8], region: ReviewedRegion
) -> None:
    codes, table = encode(mask, region)
    inside = region.voxels(GRID)
    assert (codes[~inside] == table.ignore).all()
    assert (codes[inside] != table.ignore).all() or region.labels == frozenset() or region.labels == {5}
    reviewed = frozenset(LABELS.indices) if region.labels is None else region.labels
    if not frozenset({1, 2, 4, 7}) <= reviewed:
        assert not (codes == 0)[inside & (mask != 5)].any()


@given(MASKS, REGIONS, st.sampled_from(ORIENTATIONS))
@settings(deadline=None)
def test_the_region_is_in_ras_slices_whatever_the_orientation_of_the_grid(
    mask: NDArray[np.uint8], region: ReviewedRegion, orientation: str
) -> None:
    turned, grid = reorient(mask, GRID, orientation)
    assert np.array_equal(
        encode(turned, region, grid)[0], reorient(encode(mask, region)[0], GRID, orientation)[0]
    )


def test_a_whole_dense_review_gives_the_models_own_classes_and_nothing_else() -> None:
    mask = np.random.default_rng(0).choice([0, *LABELS.indices], SHAPE).astype(np.uint8)
    assert np.array_equal(encode(mask, ReviewedRegion(whole=True))[0], to_classes(mask))


def test_slices_of_a_range_are_reviewed_from_the_first_to_the_last() -> None:
    codes, table = encode(
        np.zeros(SHAPE, np.uint8), ReviewedRegion.from_dict({"axial": [[1, 2]], "coronal": None})
    )
    assert np.array_equal(np.unique(np.argwhere(codes != table.ignore)[:, 2]), [1, 2])


def test_erased_voxels_of_a_reviewed_label_may_be_background_or_an_unreviewed_class() -> None:
    region = ReviewedRegion.from_dict({"whole": True, "labels": [1, 2]})  # mandible and brainstem
    mask = np.zeros(SHAPE, np.uint8)
    mask[0], mask[1] = 1, 4  # 4 was not reviewed: the model's own guess
    codes, table = encode(mask, region)
    assert set(np.unique(codes[0])) == {4}
    assert set(np.unique(codes[1:])) == {table.code({0, 2, 3})}


def test_a_class_that_came_later_is_unreviewed_in_older_masks() -> None:
    older = LabelSet((Label(1, "mandible"),))
    region = ReviewedRegion(whole=True)
    table = LabelSets(3).extended(possible_sets(region, older, ("mandible", "tongue")))
    codes = training_target(
        np.array([[[0, 1]]]), Geometry((1, 1, 2), np.eye(4)), region, older, ("mandible", "tongue"), table
    )
    assert codes.ravel().tolist() == [table.code({0, 2}), 1]


def test_a_range_beyond_the_grid_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        encode(np.zeros(SHAPE, np.uint8), ReviewedRegion.from_dict({"axial": [[0, SHAPE[2]]]}))
    assert refused.value.code == "region_outside"


SETS = st.lists(st.sets(st.integers(0, 4), min_size=1), max_size=6)


@given(SETS, SETS)
def test_a_table_grows_without_changing_a_code_and_survives_storage(
    first: list[set[int]], more: list[set[int]]
) -> None:
    table = LabelSets(5).extended(first, PAIRS)
    grown = table.extended(more, PAIRS)
    assert all(grown.code(some) == table.code(some) for some in first)
    assert LabelSets.from_dict(grown.to_dict()) == grown
    for some in more:
        assert set(np.flatnonzero(grown.membership[grown.code(some)])) == some


@given(SETS)
def test_changing_sides_twice_changes_nothing_and_swaps_members(sets: list[set[int]]) -> None:
    table = LabelSets(5).extended(sets, PAIRS)
    swap = table.swapped(PAIRS)
    assert np.array_equal(swap[swap], np.arange(table.n_codes))
    assert np.array_equal(table.membership[swap], table.membership[:, [0, 1, 3, 2, 4]])


def test_pairs_are_found_by_the_words_of_their_names() -> None:
    assert mirror_pairs(CLASSES) == PAIRS
    assert mirror_pairs(["Kidney-L", "kidney_r", "liver", "left ventricle"]) == {1: 2, 2: 1}


@pytest.mark.parametrize(
    "names",
    [
        ("left kidney", "kidney right"),
        ("Lung_Lt", "Lung_Rt"),
        ("LeftLung", "RightLung"),
        ("Niere links", "Niere rechts"),
        ("parotidL", "parotidR"),
    ],
)
def test_sides_are_found_however_people_write_them(names: tuple[str, str]) -> None:
    assert mirror_pairs(names) == {1: 2, 2: 1}
    assert not has_lone_side(names)


def test_a_side_whose_partner_is_missing_is_noticed_and_a_vertebra_is_no_side() -> None:
    assert has_lone_side(["liver", "kidney_left"])
    assert not has_lone_side(["liver", "vertebrae_L1", "vertebrae_L2", "spleen"])


@pytest.mark.parametrize("sets", [[{1}], [{0, 1, 2}], [{0, 9}], [{0, 1}, {1, 0}]])
def test_a_broken_table_is_refused(sets: list[set[int]]) -> None:
    with pytest.raises(InvalidInput):
        LabelSets(3, tuple(frozenset(some) for some in sets))
