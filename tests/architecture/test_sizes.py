"""Modules and functions stay small enough to be read at once."""

import ast
from pathlib import Path
from statistics import median, quantiles

from tests.conftest import ROOT

MODULES = sorted(path for folder in ("src", "services", "ui") for path in (ROOT / folder).rglob("*.py"))
MODULES = [path for path in MODULES if "node_modules" not in path.parts]
HARD_LIMIT = 400


def n_lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_module_is_longer_than_the_hard_limit() -> None:
    long = {str(path.relative_to(ROOT)): n_lines(path) for path in MODULES if n_lines(path) > HARD_LIMIT}
    assert not long


def test_most_modules_are_short() -> None:
    lines = [n_lines(path) for path in MODULES if n_lines(path) > 1]
    assert median(lines) <= 100
    assert quantiles(lines, n=20, method="inclusive")[-1] <= 250


def test_most_functions_are_short() -> None:
    lengths = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert quantiles(lengths, n=20, method="inclusive")[-1] <= 35
