"""A patient belongs to one part for ever; what is frozen for tests is never learned from."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segloop.errors import Conflict, InvalidInput
from segloop.training.split import CaseFacts, Split, SplitPolicy, part_of, split, write_splits

POLICY = SplitPolicy(b"key of a project")
# An anchor that the hash sends to training, so that no drawn project is without a training case.
ANCHOR = next(
    CaseFacts("anchor", f"anchor{i}", dense=True)
    for i in range(99)
    if part_of(f"anchor{i}", POLICY) == "training"
)
FACTS = st.builds(
    CaseFacts,
    case_id=st.text("abcdef0123456789", min_size=1, max_size=6),
    patient_id=st.integers(0, 30).map("patient{}".format),
    dense=st.booleans(),
    patient_known=st.booleans(),
    trained_before=st.booleans(),
)
PROJECTS = st.lists(FACTS, max_size=30, unique_by=lambda case: case.case_id).map(lambda some: [*some, ANCHOR])


def cases(n: int, **facts: bool) -> list[CaseFacts]:
    return [CaseFacts(f"case{i:03}", f"patient{i:03}", **({"dense": True} | facts)) for i in range(n)]


@given(PROJECTS)
@settings(deadline=None)
def test_a_patient_never_crosses_and_each_case_is_placed_once(project: list[CaseFacts]) -> None:
    placed = split(project, POLICY).placed
    assert sorted(case.case_id for case in placed) == sorted(case.case_id for case in project)
    parts: dict[str, set[str]] = {}
    for case in placed:
        # A sparse case of a test patient is held back, which is on the test patient's side of the fence.
        parts.setdefault(case.patient_id, set()).add("test" if case.part == "held back" else case.part)
    assert all(len(found) == 1 for found in parts.values())


@given(PROJECTS, PROJECTS)
@settings(deadline=None)
def test_patients_who_join_move_nobody(project: list[CaseFacts], joining: list[CaseFacts]) -> None:
    newcomers = [
        replace(case, case_id=f"new-{case.case_id}", patient_id=f"new-{case.patient_id}") for case in joining
    ]
    before = {case.case_id: case.part for case in split(project, POLICY).placed}
    after = {case.case_id: case.part for case in split([*newcomers, *project], POLICY).placed}
    assert before.items() <= after.items()


@given(PROJECTS)
@settings(deadline=None)
def test_a_test_case_is_dense_of_a_known_patient_and_never_learned_from(project: list[CaseFacts]) -> None:
    test = set(split(project, POLICY).cases("test"))
    facts = [case for case in project if case.case_id in test]
    learned = {case.patient_id for case in project if case.trained_before}
    assert all(case.dense and case.patient_known and case.patient_id not in learned for case in facts)


def test_shares_of_patients_are_near_what_the_policy_says() -> None:
    placed = split(cases(2000), POLICY)
    assert len(placed.cases("test")) / 2000 == pytest.approx(0.15, abs=0.03)
    assert len(placed.cases("validation")) / 2000 == pytest.approx(0.20, abs=0.03)


def test_another_key_gives_another_split() -> None:
    other = split(cases(200), SplitPolicy(b"another key"))
    assert other.cases("test") != split(cases(200), POLICY).cases("test")


def test_a_larger_validation_share_changes_no_test_patient() -> None:
    wider = SplitPolicy(POLICY.key, validation_share=0.4)
    assert split(cases(300), wider).cases("test") == split(cases(300), POLICY).cases("test")


def test_a_patient_an_admin_chose_is_frozen_whatever_the_hash_says() -> None:
    chosen = split(cases(40), POLICY).placed[0].patient_id
    placed = {c.patient_id: c for c in split(cases(40), POLICY, frozen_patients=[chosen]).placed}
    assert placed[chosen].part == "test" and "kept for tests" in placed[chosen].why


def test_a_chosen_patient_that_a_version_learned_from_is_refused() -> None:
    trained = cases(10, trained_before=True)
    with pytest.raises(Conflict) as refused:
        split(trained, POLICY, frozen_patients=[trained[3].patient_id])
    assert refused.value.code == "test_patient_trained"


def test_a_file_of_nobody_in_particular_is_not_frozen_even_by_an_admin() -> None:
    nameless = cases(10, patient_known=False)
    with pytest.raises(Conflict) as refused:
        split(nameless, POLICY, frozen_patients=[nameless[3].patient_id])
    assert refused.value.code == "test_patient_unknown"


def test_sparse_cases_of_a_frozen_patient_are_held_back_and_the_log_says_so() -> None:
    sparse = [*cases(1, dense=False), *cases(40)[1:]]
    placed = split(sparse, POLICY, frozen_patients=[sparse[0].patient_id]).placed[0]
    assert placed.part == "held back" and "dense" in placed.why


def test_only_frozen_patients_leave_nothing_to_train_on() -> None:
    some = cases(3)
    with pytest.raises(InvalidInput) as refused:
        split(some, POLICY, frozen_patients=[case.patient_id for case in some])
    assert refused.value.code == "too_few_cases"


def test_a_policy_that_leaves_nobody_to_train_on_is_refused() -> None:
    with pytest.raises(InvalidInput):
        SplitPolicy(b"key", validation_share=0.5, test_share=0.5)


def fold_of(tmp_path: Path, placed: Split) -> dict[str, list[str]]:
    file = tmp_path / "splits_final.json"
    file.write_text('[{"train": ["old"], "val": ["old"]}]')  # what nnU-Net would have reused
    write_splits(file, placed.cases("training"), placed.cases("validation"))
    (fold,) = json.loads(file.read_text())
    return dict(fold)


def test_the_file_that_nnunet_reads_is_ours_and_names_no_test_case(tmp_path: Path) -> None:
    placed = split(cases(60), POLICY)
    fold = fold_of(tmp_path, placed)
    assert fold == {"train": placed.cases("training"), "val": placed.cases("validation")}
    assert placed.cases("test") and not {*fold["train"], *fold["val"]} & set(placed.cases("test"))


def test_without_validation_patients_the_training_cases_stand_in_and_the_split_says_so(
    tmp_path: Path,
) -> None:
    alone = split([ANCHOR], POLICY)
    assert alone.validates_on_training
    assert fold_of(tmp_path, alone) == {"train": ["anchor"], "val": ["anchor"]}
