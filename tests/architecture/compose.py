"""The compose file as the tests read it, with the example's secrets filled in."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.conftest import ROOT

FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / "deploy/compose.env.example"
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(?:(:[-?])([^}]*))?\}")


def variables() -> dict[str, str | None]:
    """Return every variable of the file with its default; None for those that must be given."""
    found: dict[str, str | None] = {}
    for name, mark, text in _VARIABLE.findall(FILE.read_text()):
        value = text if mark == ":-" else None
        assert found.setdefault(name, value) == value, f"{name} has two defaults"
    return found


def secrets() -> dict[str, str]:
    """Return a value for each variable that must be given."""
    return {
        name: f"test{name.lower().replace('_', '')}" for name, value in variables().items() if value is None
    }


def load(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the file's content with its variables replaced, `$$` included."""

    def value(match: re.Match[str]) -> str:
        return given.get(match[1]) or variables()[match[1]] or ""

    content: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(value, FILE.read_text()).replace("$$", "$"))
    return content


def documented() -> dict[str, str | None]:
    """Return what the example names: secrets (None) and, behind a `#`, what has a default."""
    lines = EXAMPLE.read_text().splitlines()
    found = [re.fullmatch(r"(#?)([A-Z0-9_]+)=(.*)", line) for line in lines]
    return {match[2]: match[3] if match[1] else None for match in found if match}
