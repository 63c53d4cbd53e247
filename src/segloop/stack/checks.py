"""What a change must pass: `check` in under a minute, `test` on real servers and, where there is one, a real browser."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from segloop.stack.applications import ROOT

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_QUICK: tuple[tuple[str, ...], ...] = (
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("lint-imports",),
    ("mypy", "src", "services", "ui"),
    ("pytest", "-q", "tests/unit"),
)


def check() -> int:
    """Run formatter, linter, import rules, types and unit tests, all of them even if one fails; 0 when all pass."""
    failed = []
    for command in _QUICK:
        began = time.monotonic()
        # Beside this Python lie the tools of its environment, whatever the PATH says.
        program = os.path.join(os.path.dirname(sys.executable), command[0])
        passed = subprocess.run([program, *command[1:]], cwd=ROOT, check=False).returncode == 0
        print(
            f"{'ok    ' if passed else 'FAILED'} {' '.join(command)}  ({time.monotonic() - began:.1f} s)",
            flush=True,
        )
        if not passed:
            failed.append(command[0])
    return 1 if failed else 0


def test(arguments: Sequence[str]) -> int:
    """Run pytest with the real servers; without a browser run the rest and say so, except in CI, where that fails."""
    browser = find_browser()
    in_ci = os.environ.get("CI") == "true"
    if browser is None and in_ci:
        print(
            "CI=true, and there is no Chromium for the browser tests (apt-get install chromium).",
            file=sys.stderr,
        )
        return 1
    command = [sys.executable, "-m", "pytest", *arguments]
    if browser is None:
        command += ["-m", "not browser"]
    environment = os.environ | ({"CHROMIUM": browser} if browser else {})
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if browser is None:
        print("browser tests NOT RUN")
    return code


def fuzz(arguments: Sequence[str]) -> int:
    """Give parsers and API inputs that nobody wrote; 0 when none is a crash, a hang or an internal error."""
    command = [sys.executable, "-m", "tests.fuzz", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def find_browser() -> str | None:
    """Return the Chromium that the environment names, or else the one of this machine, if there is one."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
