"""Each promise of the documentation names tests that there are."""

import ast
import re

import pytest

from tests.conftest import ROOT

NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
PAGES = ("docs/promises.md", "docs/threat-model.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    named = NAMED.findall((ROOT / page).read_text())
    assert len(named) > 10
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / file).exists() or (name and name not in _functions(file))
    ]
    assert missing == []


def test_every_promise_names_one() -> None:
    _, *promises = (ROOT / PAGES[0]).read_text().split("\n## ")
    assert len(promises) >= 15
    assert [one.partition("\n")[0] for one in promises if not NAMED.search(one)] == []


def _functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
