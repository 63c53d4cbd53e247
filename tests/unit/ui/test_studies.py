"""What the page of received series offers for one of them."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests import places
from ui.views import studies


class Cell:
    """Keeps what is offered; nobody presses it."""

    def __init__(self) -> None:
        self.offered: list[str] = []

    def button(self, label: str, **_: Any) -> bool:
        self.offered.append(label)
        return False

    def popover(self, label: str, **_: Any) -> "Cell":
        self.offered.append(label)
        return self

    def __enter__(self) -> "Cell":
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("code", "offered"), [("not_routed", ["Open", "Send again", "Segment"]), ("series_grew", ["Open"])]
)
def test_a_part_of_a_series_can_be_looked_at_only(code: str, offered: list[str]) -> None:
    cell = Cell()
    series = SimpleNamespace(id="s", volume_id="v", mask_id="m", stage="ignored", code=code, n_instances=3)
    studies._actions(None, places.here(), cell, series)  # type: ignore[arg-type]
    assert cell.offered == offered
