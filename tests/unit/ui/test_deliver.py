"""A mask is not sent while its person has edits of it that are not finalized."""

from types import SimpleNamespace
from typing import Any

import pytest

from segloop.errors import Unavailable
from ui.views import deliver

VOLUME, MASK = SimpleNamespace(id="v"), SimpleNamespace(id="m")


class FakeApi:
    def __init__(self, *drafts: Any) -> None:
        self._drafts = drafts

    def me(self) -> Any:
        return SimpleNamespace(name="ann")

    def drafts(self, volume_id: str) -> list[Any]:
        if not self._drafts:
            raise Unavailable("api_unavailable", "It is away.")
        return list(self._drafts)


def draft(**changes: Any) -> Any:
    values = {"created_by": "ann", "state": "open", "base_mask_id": "m", "head": SimpleNamespace(sequence=3)}
    return SimpleNamespace(**{**values, **changes})


@pytest.mark.parametrize(
    ("drafts", "is_editing", "may"),
    [
        ([draft()], False, False),
        ([draft()], True, False),
        ([draft(head=SimpleNamespace(sequence=0))], False, True),  # nothing was drawn
        ([draft(head=SimpleNamespace(sequence=0))], True, False),  # the browser may have some yet
        ([draft(created_by="bo")], False, True),
        ([draft(state="finalized")], False, True),
        ([draft(base_mask_id="other")], False, True),
        ([draft(state="discarded"), draft()], False, False),
        ([], False, True),
    ],
)
def test_why_not(drafts: list[Any], is_editing: bool, may: bool) -> None:
    found = deliver._why_not(FakeApi(*drafts), VOLUME, MASK, is_editing=is_editing)  # type: ignore[arg-type]
    assert (not found) == may and (may or "not finalized" in found)
