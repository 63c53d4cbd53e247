"""One training run as a process of its own: `python -m segloop.nnunet.training_run FOLDER [--device cuda]`.

Exit 0: finished; 3: stopped and may go on; 1: failed, and outcome.json says why. SIGTERM stops it as the file `stop` does.
"""

import argparse
import errno
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from segloop.errors import SegloopError, Unavailable
from segloop.nnunet.trainer import LoopTrainer
from segloop.training.progress import write_json

EXIT_FAILED, EXIT_STOPPED = 1, 3


def run(folder: Path, device: str = "cpu", *, stop: Callable[[], bool] | None = None) -> dict[str, Any]:
    """Train or go on training in a workspace, write outcome.json and return it.

    `{"outcome": "finished", "trained_folder": ...}`, `{"outcome": "stopped"}` or `{"outcome": "failed", "code", "message"}`.
    The message is fit for the user; a traceback of anything unexpected goes to stderr.
    """
    try:
        trainer = LoopTrainer.open(folder, device, stop=stop)
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
        write_json(folder / "outcome.json", outcome)
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
        return Unavailable(
            "disk_full",
            "There is no room left for the training's files. Free some; the run goes on where it was.",
        )
    if isinstance(error, RuntimeError) and "CUDA error" in str(error):
        return Unavailable(
            "device_lost", "The GPU failed during training. The run goes on once there is one again."
        )
    return None


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    outcome = run(folder, arguments.device, stop=lambda: bool(asked) or (folder / "stop").exists())
    return {"finished": 0, "stopped": EXIT_STOPPED}.get(outcome["outcome"], EXIT_FAILED)


if __name__ == "__main__":
    sys.exit(main())
