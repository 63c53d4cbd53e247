"""One training run as a process of its own: `python -m segloop.nnunet.training_run FOLDER [--device cuda] [--processes 2]`.

Exit 0: finished; 3: stopped and may go on; 1: failed, and outcome.json says why; 4: the disk is full; 137: of several
processes one was killed, and the run may go on. SIGTERM stops it as the file `stop` does, and so does the end of the process
that started it. While the file `pause` is there it waits between two epochs.
"""

import argparse
import errno
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from segloop.errors import SegloopError, Unavailable
from segloop.nnunet import processes
from segloop.nnunet.processes import EXIT_FAILED, EXIT_STOPPED
from segloop.nnunet.trainer import LoopTrainer
from segloop.training.progress import EXIT_NO_ROOM, disk_full, write_json


def run(
    folder: Path,
    device: str = "cpu",
    *,
    stop: Callable[[], bool] | None = None,
    on_epoch: Callable[[dict[str, Any]], None] = lambda record: None,
    rank: int = 0,
    ranks: int = 1,
) -> dict[str, Any]:
    """Train or go on training in a workspace, write outcome.json and return it.

    `{"outcome": "finished", "trained_folder": ...}`, `{"outcome": "stopped"}` or `{"outcome": "failed", "code", "message"}`.
    The message is fit for the user; a traceback of anything unexpected goes to stderr.
    This process may be one (`rank`) of several that train together; see `processes`.
    """
    try:
        if ranks > 1:
            processes.join(folder, rank, ranks, device)
        trainer = LoopTrainer.open(folder, device, stop=stop, on_epoch=on_epoch)
        outcome: dict[str, Any] = {"outcome": trainer.run_training()}
        if outcome["outcome"] == "finished":
            outcome["trained_folder"] = str(trainer.trained_folder)
    except Exception as error:
        known = _known(error)
        if known is None:
            traceback.print_exc()
        code, message = (
            (known.code, known.message)
            if known
            else ("internal", "The training failed unexpectedly; production is untouched.")
        )
        outcome = {"outcome": "failed", "code": code, "message": message}
    if outcome.get("code") != "disk_full":
        write_json(processes.outcome_file(folder, rank), outcome)
    return outcome


def _known(error: Exception) -> SegloopError | None:
    if isinstance(error, SegloopError):
        return error
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(error):
        return Unavailable(
            "training_out_of_memory",
            "The device has too little memory for this training. Free it, or train on a larger one; production is untouched.",
        )
    # torch's writer of zip files reports a full disk as a RuntimeError of its own.
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "PytorchStreamWriter" in str(error):
        return disk_full()
    if isinstance(error, distributed.DistError) or "gloo" in str(error):
        return Unavailable(str(processes.INTERRUPTED["code"]), str(processes.INTERRUPTED["message"]))
    if isinstance(error, RuntimeError) and "CUDA error" in str(error):
        return Unavailable(
            "device_lost",
            "The GPU failed during training. Try the job again once there is one; it goes on where it was.",
        )
    return None


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=1, help="that share each batch, one on each GPU")
    arguments = parser.parse_args()
    folder, device, ranks = arguments.folder.resolve(), arguments.device, arguments.processes
    if ranks > 1:
        return processes.run_together(folder, ranks, lambda rank: _train(folder, device, rank, ranks))
    return _train(folder, device, 0, 1)


def _train(folder: Path, device: str, rank: int, ranks: int) -> int:
    """Train in this process and return its exit status."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    parent = os.getppid()

    def stop() -> bool:
        # An orphan must not go on beside the attempt that takes its place.
        return bool(asked) or (folder / "stop").exists() or os.getppid() != parent

    def wait(record: dict[str, Any]) -> None:
        while (folder / "pause").exists() and not stop():
            time.sleep(0.5)

    outcome = run(folder, device, stop=stop, on_epoch=wait, rank=rank, ranks=ranks)
    if outcome.get("code") == "disk_full":
        return EXIT_NO_ROOM  # there may be none to write why
    return {"finished": 0, "stopped": EXIT_STOPPED}.get(outcome["outcome"], EXIT_FAILED)


if __name__ == "__main__":
    sys.exit(main())
