"""`segloop faults`: run the fault suite on servers of its own and write down what was done, seen and measured."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from segloop.stack.applications import ROOT

SUITE = [f"tests/faults/test_{name}.py" for name in ("workers", "servers", "store_faults", "api_faults")]
"""The cases of two sizes; the other files of that folder have one, which is part of `segloop test`."""


@dataclass(frozen=True)
class Case:
    """One case as it went: `figures` are what it noted, by name."""

    name: str
    outcome: str
    seconds: float
    figures: dict[str, str]
    reason: str


def run(
    folder: Path, say: Callable[[str], None], *, long: bool, seed: int | None, arguments: Sequence[str]
) -> int:
    """Run the suite and write report.json and report.md into the folder; 0 when all cases passed.

    `arguments` go to pytest, such as `-k r3`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "junit.xml"
    results.unlink(missing_ok=True)
    seed = int.from_bytes(os.urandom(3)) if seed is None else seed
    environment = os.environ | {
        "SEGLOOP_TEST_SEED": str(seed),
        "SEGLOOP_FAULTS": "long" if long else "short",
    }
    say(f"Faults, {'long' if long else 'short'}, seed {seed}")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "-o",
        "junit_family=xunit1",
        f"--junitxml={results}",
        *SUITE,
        *arguments,
    ]
    began, load = time.monotonic(), os.getloadavg()[0]
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if not results.exists():
        return code
    about: dict[str, object] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "size": "long" if long else "short",
        "seed": seed,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "cores": os.cpu_count(),
        "load_1min": [round(load, 1), round(os.getloadavg()[0], 1)],
        "machine": platform.machine(),
    }
    cases = read(results)
    body = json.dumps({**about, "cases": [asdict(case) for case in cases]}, indent=1)
    (folder / "report.json").write_text(body + "\n")
    (folder / "report.md").write_text(_table(about, cases))
    say(f"Report: {folder / 'report.md'}")
    return code


def read(results: Path) -> list[Case]:
    """Return the cases of a JUnit file that pytest wrote."""
    cases = []
    for one in ElementTree.parse(results).iter("testcase"):
        bad = next(
            (one.find(kind) for kind in ("failure", "error", "skipped") if one.find(kind) is not None), None
        )
        reason = "" if bad is None else (bad.get("message") or "")
        cases.append(
            Case(
                name=f"{(one.get('classname') or '').rpartition('.')[2]}.{one.get('name')}",
                outcome="passed" if bad is None else {"skipped": "not run"}.get(bad.tag, "FAILED"),
                seconds=round(float(one.get("time") or 0), 1),
                figures={str(item.get("name")): str(item.get("value")) for item in one.iter("property")},
                reason=reason.partition("\n")[0][:200],
            )
        )
    return cases


def _table(about: dict[str, object], cases: list[Case]) -> str:
    lines = [f"{name}: {value}" for name, value in about.items()]
    lines = [" · ".join(lines), "", "| case | outcome | s | figures |", "|---|---|---|---|"]
    for case in cases:
        figures = "; ".join(f"{name} {value}" for name, value in case.figures.items()) or case.reason
        name = case.name.replace("|", "\\|")
        lines.append(f"| {name} | {case.outcome} | {case.seconds:.0f} | {figures.replace('|', '/')} |")
    return "\n".join(lines) + "\n"
