"""Some inputs nobody wrote for each parser, the same each time; `./segloop fuzz` gives them as many as are asked for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fuzz import targets

N = 200


@pytest.mark.parametrize("name", targets.NAMES)
def test_a_parser_takes_a_file_or_refuses_it_by_name(tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(N), "0", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["bugs"] == {}
    assert found["n"] == N and 0 < found["taken"] < N
    assert found["rss_mib_at_the_end"] - found["rss_mib_at_a_fifth"] < 32
