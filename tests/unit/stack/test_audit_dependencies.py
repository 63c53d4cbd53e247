"""An audit that could not ask is never one that found nothing."""

import json

import pytest

from scripts.audit_dependencies import NOT_ASKED, judge

CLEAN = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI and could not be audited: b (1)"}
BAD = {"name": "c", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}


@pytest.mark.parametrize(
    ("packages", "code"),
    [([CLEAN], 0), ([CLEAN, BAD], 1), ([SKIPPED, BAD], 1), ([CLEAN, SKIPPED], NOT_ASKED), ([], NOT_ASKED)],
)
def test_an_answer_is_judged_by_every_package(packages: list[object], code: int) -> None:
    assert judge(json.dumps({"dependencies": packages}), "No known vulnerabilities found") == code


def test_no_answer_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge("", "...\nConnectionError: no route") == NOT_ASKED
    said = capsys.readouterr().err
    assert "NOT AUDITED" in said and "no route" in said
