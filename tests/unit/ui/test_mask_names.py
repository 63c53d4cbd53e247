"""How masks are listed."""

from ui.views.masks import distinct


def test_masks_that_would_read_the_same_are_told_apart_and_earlier_ones_keep_their_name() -> None:
    assert distinct(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]
    assert distinct(["a", "b"]) == ["a", "b"]
