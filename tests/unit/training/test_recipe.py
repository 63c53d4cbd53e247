"""Recipes are checked before they train, and replay keeps earlier cases in the mixture."""

import json

import pytest

from segloop.errors import InvalidInput
from segloop.training.progress import Progress, read_progress
from segloop.training.recipe import Recipe, sampling_weights


@pytest.mark.parametrize(
    "change",
    [{"n_epochs": 0}, {"learning_rate": 0.0}, {"replay_share": 1.0}, {"optimizer": "lion"}, {"surprise": 1}],
)
def test_a_recipe_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as refused:
        Recipe.from_dict(Recipe().to_dict() | change)
    assert refused.value.code == "recipe_invalid"


def test_recipes_survive_storage() -> None:
    assert Recipe.from_dict(json.loads(json.dumps(Recipe.full().to_dict()))) == Recipe.full()


def test_half_of_the_samples_are_earlier_cases_however_few_are_new() -> None:
    weights = sampling_weights(["new"], [f"old{i}" for i in range(10)], 0.5)
    assert weights["new"] == 0.5 and weights["old3"] == pytest.approx(0.05)
    assert sum(weights.values()) == pytest.approx(1)


@pytest.mark.parametrize(("new", "earlier"), [(["a", "b"], []), ([], ["a", "b"]), (["a", "b"], ["a", "b"])])
def test_one_kind_alone_gets_everything_and_a_corrected_case_is_new(
    new: list[str], earlier: list[str]
) -> None:
    assert sampling_weights(new, earlier, 0.5) == {"a": 0.5, "b": 0.5}


def test_epochs_that_are_done_again_and_a_line_cut_by_a_kill_leave_the_progress(tmp_path) -> None:  # type: ignore[no-untyped-def]
    progress = Progress(tmp_path, 4, 10)
    for epoch in range(3):
        progress.add({"epoch": epoch})
    with (tmp_path / "progress.jsonl").open("a") as stream:
        stream.write('{"epoch": 3, "los')
    assert [record["epoch"] for record in read_progress(tmp_path)] == [0, 1, 2]
    progress.resume(2)
    progress.add({"epoch": 2, "again": True})
    assert read_progress(tmp_path) == [{"epoch": 0}, {"epoch": 1}, {"epoch": 2, "again": True}]
