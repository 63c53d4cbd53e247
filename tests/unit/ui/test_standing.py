"""What a mask is worth on the pages: nothing counts as reviewed unless a person said so."""

from datetime import UTC, datetime
from typing import Any

import pytest

from segloop.schemas import Feedback, Label, Mask, ReviewedRegion
from ui.views.labels import shared_labels
from ui.views.standing import standing

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def mask(kind: str, **values: Any) -> Mask:
    return Mask.model_construct(id="m", kind=kind, created_by="ann", reviewed=None, **values)


def given(verdict: str, mask_id: str = "m", reviewed: ReviewedRegion | None = None) -> Feedback:
    return Feedback.model_construct(verdict=verdict, mask_id=mask_id, created_by="dr. b", reviewed=reviewed)


@pytest.mark.parametrize(
    ("kind", "badge", "is_reviewed"),
    [
        ("prediction", "AI - NOT REVIEWED", False),
        ("imported", "IMPORTED - NOT REVIEWED", False),
        ("ground_truth", "", True),
        ("correction", "CORRECTED - NOTHING MARKED AS REVIEWED", True),
    ],
)
def test_without_a_verdict_the_kind_decides(kind: str, badge: str, is_reviewed: bool) -> None:
    found = standing(mask(kind), [])
    assert (found.badge, found.is_reviewed) == (badge, is_reviewed)


def test_the_newest_verdict_on_this_very_mask_counts() -> None:
    whole = ReviewedRegion(whole=True)
    ai = mask("prediction")
    accepted = standing(ai, [given("accepted", reviewed=whole), given("rejected")])
    assert (accepted.badge, accepted.is_reviewed) == ("", True) and "dr. b" in accepted.words
    rejected = standing(ai, [given("rejected"), given("accepted", reviewed=whole)])
    assert (rejected.badge, rejected.is_reviewed) == ("REJECTED", False)
    assert standing(ai, [given("accepted", "another", whole)]).badge == "AI - NOT REVIEWED"


def test_ground_truth_of_some_labels_says_which() -> None:
    region = ReviewedRegion(whole=True, labels=[2])
    truth = Mask.model_construct(id="m", kind="ground_truth", created_by="ann", reviewed=region)
    found = standing(truth, [])
    assert (found.badge, found.is_reviewed, found.region) == ("REVIEWED IN PART", True, region.model_dump())


@pytest.mark.parametrize(
    "region",
    [
        ReviewedRegion(axial=[[3, 4]]),
        ReviewedRegion(whole=True, labels=[2]),
        ReviewedRegion(coronal=[[0, 0]]),
    ],
)
def test_what_was_reviewed_in_part_says_so_and_which_part(region: ReviewedRegion) -> None:
    found = standing(Mask.model_construct(id="m", kind="correction", created_by="ann", reviewed=region), [])
    assert found.badge == "REVIEWED IN PART"
    assert found.region == region.model_dump()


def test_accepting_without_a_region_vouches_for_nothing() -> None:
    assert "NOTHING MARKED" in standing(mask("prediction"), [given("accepted")]).badge


def label(index: int, name: str) -> Label:
    return Label(index=index, name=name)


def test_labels_of_two_sets_are_the_same_where_their_names_are() -> None:
    first = [label(1, "liver"), label(2, "spleen")]
    assert shared_labels(first, [label(2, "spleen")]) == (first, None)
    labels, translation = shared_labels(first, [label(1, "spleen"), label(2, "kidney")])
    assert [(item.index, item.name) for item in labels] == [(1, "liver"), (2, "spleen"), (3, "kidney")]
    assert translation == {1: 2, 2: 3}
