"""`./segloop fuzz --inputs N`: parsers each in a process of its own, then the API with real servers; 0 where nothing was found."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.fuzz import targets

ROOT = Path(__file__).parents[2]
API_SHARE = 0.2
GUIDED_SHARE = 0.1
GUIDED = ("nifti", "archive", "head", "parts", "rtstruct", "rules")
"""Parsers whose code is ours or pydicom's: coverage leads somewhere."""
MOST_GROWTH_MIB = 64.0


def main() -> int:
    """Fuzz, say what was found and write it down."""
    parser = argparse.ArgumentParser(
        "./segloop fuzz", description="Inputs nobody wrote, for parsers and API."
    )
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", type=Path, help="where figures and the inputs of bugs are kept")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="segloop-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    shares = {name: targets.make(name).share for name in targets.NAMES}
    n_parsers = round(options.inputs * (1 - API_SHARE))
    figures: list[dict[str, Any]] = []
    api = _begin_api(options.inputs - n_parsers, options.seed, folder)  # meanwhile
    for name, share in shares.items():
        n = max(10, round(n_parsers * share / sum(shares.values())))
        n_guided = round(n * GUIDED_SHARE) if name in GUIDED else 0
        figures.append(_mutated(name, n - n_guided, options.seed, folder))
        if n_guided:
            figures.append(_guided(name, n_guided, options.seed, folder))
        _say(figures[-1 - bool(n_guided) :])
    figures.append(_end_api(api, folder))
    _say(figures[-1:])
    (folder / "figures.json").write_text(json.dumps({"seed": options.seed, "figures": figures}, indent=1))
    n_bugs = sum(len(one["bugs"]) for one in figures)
    grown = [one["target"] for one in figures if one.get("growth_mib", 0.0) > MOST_GROWTH_MIB]
    total = sum(one["n"] for one in figures)
    sys.stdout.write(
        f"{total:,} inputs, {n_bugs} bugs, memory grown: {grown or 'nowhere'}; seed {options.seed}, {folder}\n"
    )
    return 1 if n_bugs or grown else 0


def _mutated(name: str, n: int, seed: int, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(n), str(seed), str(folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if ran.returncode:  # the process itself died: a crash in C, or out of memory
        return {
            "target": name,
            "n": n,
            "bugs": {f"the process ended with {ran.returncode}": 1, ran.stderr[-500:]: 1},
        }
    found: dict[str, Any] = json.loads(ran.stdout)
    grown = found["rss_mib_at_the_end"] - found["rss_mib_at_a_fifth"]
    return found | {"growth_mib": round(grown, 1)}


def _guided(name: str, n: int, seed: int, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(n), str(seed), str(folder), "--guided"]
    began = time.monotonic()
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    bugs = {} if ran.returncode == 0 else {f"status {ran.returncode}: {ran.stderr[-1500:]}": 1}
    return {"target": f"{name}, guided", "n": n, "bugs": bugs, "seconds": round(time.monotonic() - began, 1)}


def _begin_api(n: int, seed: int, folder: Path) -> "subprocess.Popen[str]":
    environment = os.environ | {
        "SEGLOOP_FUZZ_INPUTS": str(n),
        "SEGLOOP_FUZZ_SEED": str(seed),
        "SEGLOOP_FUZZ_REPORT": str(folder / "api.json"),
    }
    own = f"--basetemp={folder / 'pytest'}"
    command = [sys.executable, "-m", "pytest", "-q", own, "--timeout=0", "tests/integration/test_fuzz_api.py"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def _end_api(running: "subprocess.Popen[str]", folder: Path) -> dict[str, Any]:
    said, _ = running.communicate()
    if not (folder / "api.json").exists():
        return {"target": "api", "n": 0, "bugs": {said[-1500:]: 1}}
    found: dict[str, Any] = json.loads((folder / "api.json").read_text())
    return found


def _say(figures: list[dict[str, Any]]) -> None:
    for one in figures:
        rest = {key: value for key, value in one.items() if key not in ("target", "bugs")}
        sys.stdout.write(f"{one['target']:20} {json.dumps(rest)} {one['bugs'] or ''}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
