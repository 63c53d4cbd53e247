"""The corner of every page names who is signed in now."""

from types import SimpleNamespace
from typing import Any

import pytest

from ui.views import account


def test_the_corner_names_the_person_who_is_signed_in_now(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(account.st, "html", shown.append)
    monkeypatch.setattr(account.st, "session_state", {})
    for name in ("anna", "ben"):
        api: Any = SimpleNamespace(me=lambda name=name: SimpleNamespace(name=name))
        account.corner(api)
    assert "<span>anna</span>" in shown[0]
    assert "<span>ben</span>" in shown[1] and "anna" not in shown[1]
