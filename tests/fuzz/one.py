"""`python -m tests.fuzz.one TARGET N SEED [--guided]`: give a parser N inputs in this process; a JSON line says what happened."""

import contextlib
import json
import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from tests.fuzz import targets

MEMORY_BYTES = 4 << 30
LONGEST_S = 20
"""How long one small input may take; more is a hang."""
GUIDED_RSS_MB = 4096


class Hang(Exception):
    """An input took longer than `LONGEST_S`."""


def rss_mib() -> float:
    """Return how much memory this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def give(name: str, n: int, seed: int, kept: Path | None = None) -> dict[str, Any]:
    """Give a target `n` mutated inputs and return counts, memory and each distinct bug; bodies of bugs go into `kept`."""
    target = targets.make(name)
    chance = random.Random(f"{name} {seed}")
    found: dict[str, Any] = {"target": name, "n": 0, "taken": 0, "slowest_s": 0.0, "bugs": {}}
    for body in target.seeds:  # a target that refuses good files would prove nothing
        with scratch() as folder:
            assert target.run(body, folder), f"{name} refuses its own seed"
    began = time.monotonic()
    for number in range(n):
        body = chance.choice(target.change)(chance.choice(target.seeds), chance, target.seeds)
        started = time.monotonic()
        with scratch() as folder:
            signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
            try:
                found["taken"] += target.run(body, folder)
            except Exception as error:
                _note(found, error, body, kept)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        found["n"] += 1
        found["slowest_s"] = max(found["slowest_s"], round(time.monotonic() - started, 2))
        if number == n // 5:
            found["rss_mib_at_a_fifth"] = round(rss_mib(), 1)
    found["rss_mib_at_the_end"] = round(rss_mib(), 1)
    found["seconds"] = round(time.monotonic() - began, 1)
    return found


def _note(found: dict[str, Any], error: Exception, body: bytes, kept: Path | None) -> None:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        frame
        for frame in frames
        if "/site-packages/" not in frame.filename and "/fuzz/" not in frame.filename
    ]
    where = ours[-1] if ours else frames[-1]
    key = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno} ({frames[-1].name})"
    if key not in found["bugs"] and kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        (kept / f"{found['target']}-{len(found['bugs'])}").write_bytes(body)
    found["bugs"][key] = found["bugs"].get(key, 0) + 1


def guided(name: str, n: int, seed: int, kept: Path) -> None:
    """Let atheris look for new paths through our code and pydicom's; it ends this process, with another status for a bug."""
    import atheris

    with atheris.instrument_imports(include=["segloop", "services", "pydicom"], enable_loader_override=False):
        target = targets.make(name)
    corpus = Path(tempfile.mkdtemp(prefix="segloop-corpus-"))
    for number, body in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(body)

    def try_one(body: bytes) -> None:
        with scratch() as folder:
            target.run(body, folder)

    kept.mkdir(parents=True, exist_ok=True)
    options = [f"-runs={n}", f"-seed={seed + 1}", f"-timeout={LONGEST_S}", f"-rss_limit_mb={GUIDED_RSS_MB}"]
    options += ["-max_len=20000", "-print_final_stats=1", f"-artifact_prefix={kept}/{name}-"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], try_one)
    atheris.Fuzz()


@contextlib.contextmanager
def scratch() -> Any:
    """Give an empty folder in memory, where there is such a file system."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="segloop-fuzz-", dir=where))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _hang(*_: object) -> None:
    raise Hang


def main(arguments: list[str]) -> None:
    """Do what the command line says."""
    name, n, seed, kept = arguments[0], int(arguments[1]), int(arguments[2]), Path(arguments[3])
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    if "--guided" in arguments:
        guided(name, n, seed, kept)
        return
    signal.signal(signal.SIGALRM, _hang)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    sys.stdout.write(json.dumps(give(name, n, seed, kept)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
