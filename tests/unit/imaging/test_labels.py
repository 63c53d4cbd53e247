"""Label sets only grow, and masks hold nothing but their labels."""

import numpy as np
import pytest

from segloop.errors import Conflict, InvalidInput
from segloop.imaging.labels import Label, LabelSet

SET = LabelSet((Label(1, "liver"), Label(2, "spleen")))


def test_a_set_with_one_more_label_extends_the_earlier_one() -> None:
    LabelSet((*SET.labels, Label(3, "kidney"))).require_extends(SET)


@pytest.mark.parametrize(
    "labels",
    [(Label(1, "liver"),), (Label(1, "liver"), Label(3, "spleen")), (Label(1, "liver"), Label(2, "milt"))],
    ids=["removed", "moved", "renamed"],
)
def test_a_set_that_changes_a_label_is_refused_naming_it(labels: tuple[Label, ...]) -> None:
    with pytest.raises(Conflict, match="spleen") as refused:
        LabelSet(labels).require_extends(SET)
    assert refused.value.code == "label_set_changed"


@pytest.mark.parametrize("second", [Label(1, "spleen"), Label(2, "liver")])
def test_a_name_or_index_used_twice_is_refused(second: Label) -> None:
    with pytest.raises(InvalidInput) as refused:
        LabelSet((Label(1, "liver"), second))
    assert refused.value.code == "label_set_invalid"


def test_a_mask_with_a_value_that_is_no_label_is_refused_naming_it() -> None:
    SET.require_known_values(np.array([0, 1, 2, 2]))
    with pytest.raises(InvalidInput, match="7") as refused:
        SET.require_known_values(np.array([0, 1, 7]))
    assert refused.value.code == "mask_labels"
    for label in SET.labels:  # and says which number it should have had
        assert f"{label.index} {label.name}" in refused.value.message


def test_stored_labels_come_back_in_order_of_index() -> None:
    assert LabelSet.from_dicts(reversed(SET.to_dicts())) == SET
