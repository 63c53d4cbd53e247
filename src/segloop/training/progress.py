"""What a run tells while it trains: a line per finished epoch and a heartbeat, in files that others may read at any time."""

import json
import os
import time
from pathlib import Path
from typing import Any

from segloop.errors import SegloopError

HEARTBEAT_S = 2.0
EXIT_NO_ROOM = 4
"""The exit status of a training that found no room on the disk, where there may be none to write why."""


def disk_full() -> SegloopError:
    """Return what a full disk means to the user."""
    return SegloopError(
        "disk_full",
        "There is no room left for the training's files. Free some and try the job again; it goes on where it was.",
    )


def write_json(file: Path, body: Any) -> None:
    """Write a file that appears whole or not at all, and is on the disk before it does."""
    partial = file.with_name(f"{file.name}.partial")
    with partial.open("w") as stream:
        json.dump(body, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)


def read_progress(folder: Path) -> list[dict[str, Any]]:
    """Return the records of the epochs that a run has finished; a line cut off by a kill is left out."""
    file = folder / "progress.jsonl"
    records = []
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


class Progress:
    """The writer of a run's progress.jsonl and heartbeat.json in its folder."""

    def __init__(self, folder: Path, n_epochs: int, iterations_per_epoch: int) -> None:
        self._folder, self._n_epochs, self._per_epoch = folder, n_epochs, iterations_per_epoch
        self._beat_at = -HEARTBEAT_S

    def resume(self, epoch: int) -> None:
        """Forget the records of `epoch` and later ones, which will be done again."""
        kept = [record for record in read_progress(self._folder) if record["epoch"] < epoch]
        file = self._folder / "progress.jsonl"
        partial = file.with_suffix(".partial")
        partial.write_text("".join(json.dumps(record) + "\n" for record in kept))
        partial.replace(file)

    def add(self, record: dict[str, Any]) -> None:
        """Append one epoch's record."""
        with (self._folder / "progress.jsonl").open("a") as stream:
            stream.write(json.dumps(record) + "\n")

    def beat(self, epoch: int, losses: list[float], seconds_per_iteration: float) -> None:
        """Say, at most every two seconds, where the run is; `remaining_s` leaves validation out."""
        now = time.monotonic()
        if now - self._beat_at < HEARTBEAT_S:
            return
        self._beat_at = now
        done, total = epoch * self._per_epoch + len(losses), self._n_epochs * self._per_epoch
        body = {
            "epoch": epoch,
            "iteration": done,
            "n_iterations": total,
            "loss": losses[-1],
            "remaining_s": round((total - done) * seconds_per_iteration, 1),
        }
        write_json(self._folder / "heartbeat.json", body)
