"""Several processes that train one run together: started on this machine, watched, and ended together."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from segloop.errors import Unavailable
from segloop.training.progress import EXIT_NO_ROOM, write_json

EXIT_FAILED, EXIT_STOPPED, EXIT_KILLED = 1, 3, 128 + signal.SIGKILL
GRACE_S = 10.0
"""How long the others may take to end by themselves once one has failed; they might wait for it for ever."""
PARENT_S = 2.0
"""How often it looks whether the process that started the training is still there."""
INTERRUPTED = {
    "outcome": "interrupted",
    "code": "training_interrupted",
    "message": "A process of the training was killed, perhaps for want of memory. The run goes on from its last checkpoint.",
}


def outcome_file(folder: Path, rank: int) -> Path:
    """Return where a rank writes how it ended; `run_together` makes one of them."""
    return folder / ("outcome.json" if rank == 0 else f"outcome.{rank}.json")


def join(folder: Path, rank: int, ranks: int, device: str) -> None:
    """Make this process one of `ranks` that train in a folder.

    Raises:
        Unavailable: `device_unavailable` when there are fewer GPUs than ranks.
    """
    if device == "cuda":
        if torch.cuda.device_count() < ranks:
            raise Unavailable(
                "device_unavailable",
                f"{ranks} processes need as many GPUs, and there are {torch.cuda.device_count()}. Train with fewer.",
            )
        torch.cuda.set_device(rank)
    else:
        torch.set_num_threads(max(1, torch.get_num_threads() // ranks))
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group(
        "nccl" if device == "cuda" else "gloo",
        store=distributed.FileStore(str(_meeting_point(folder)), ranks),  # type: ignore[attr-defined]
        rank=rank,
        world_size=ranks,
    )


def run_together(folder: Path, ranks: int, work: Callable[[int], int]) -> int:
    """Call `work` with each rank in a process of its own, and return the exit status of all of them together.

    The others end soon after one has failed. SIGTERM is passed on, and all stop at the same step. Where one was killed it
    is 137 and outcome.json says *interrupted*: the run goes on from its checkpoint, with any number of processes.
    """
    for file in (_meeting_point(folder), *folder.glob("outcome*.json")):
        file.unlink(missing_ok=True)
    # Forked, so that each need not import torch again; this process itself computes nothing before.
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_start, args=(work, rank)) for rank in range(ranks)]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # it waits until somebody can hear it
    for process in processes:
        process.start()
    signal.signal(signal.SIGTERM, lambda number, frame: _terminate(processes))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        status = _watch(processes)
    finally:
        for process in processes:
            process.kill()
            process.join()
    return _conclude(folder, status)


def _start(work: Callable[[int], int], rank: int) -> None:
    raise SystemExit(work(rank))


def _terminate(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()


def _watch(processes: Sequence[BaseProcess]) -> list[int | None]:
    """Return how each ended when all have, or when the grace of those that outlive a failed one is over (None)."""
    until, parent = None, os.getppid()
    while running := [process.sentinel for process in processes if process.exitcode is None]:
        if until is None and any(one.exitcode not in (None, 0, EXIT_STOPPED) for one in processes):
            until = time.monotonic() + GRACE_S
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            break
        if os.getppid() != parent:  # whoever started the training is gone: no orphan goes on
            _terminate(processes)
        wait(running, PARENT_S if left is None else min(left, PARENT_S))
    return [process.exitcode for process in processes]


def _conclude(folder: Path, status: list[int | None]) -> int:
    """Write the run's outcome, of those of its ranks the one that tells most, and return the exit status."""
    ends = [_read(outcome_file(folder, rank)) for rank in range(len(status))]
    for rank in range(1, len(status)):
        outcome_file(folder, rank).unlink(missing_ok=True)
    if set(status) in ({0}, {EXIT_STOPPED}):
        return status[0] or 0
    failed = {end["code"]: end for end in ends if end.get("outcome") == "failed"}
    known = [end for code, end in failed.items() if code not in ("internal", INTERRUPTED["code"])]
    if not known and EXIT_NO_ROOM in status:
        return EXIT_NO_ROOM
    if not known and ("internal" not in failed or any(code is not None and code < 0 for code in status)):
        write_json(outcome_file(folder, 0), INTERRUPTED)
        return EXIT_KILLED
    write_json(outcome_file(folder, 0), known[0] if known else failed["internal"])
    return EXIT_FAILED


def _read(file: Path) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return body


def _meeting_point(folder: Path) -> Path:
    return folder / "ranks"
