"""A training as a process of its own: its group ends with it, and whatever happens to it is a stable outcome."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segloop.errors import SegloopError, Unavailable
from segloop.training.progress import EXIT_NO_ROOM, disk_full, read_progress

STOP_LIMIT_S = 20.0
LOG_LINES = 40  # of what the process wrote last, kept when it fails
PAUSE = "pause"
"""The file that makes the training wait between two epochs, as `stop` makes it end."""


@dataclass
class TrainingProcess:
    """The process that trains in one workspace folder.

    Started with an environment of its own that holds none of our secrets, at low priority, in its own process group.
    """

    folder: Path
    device: str
    processes: int
    threads: int
    environment: Mapping[str, str]
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> None:
        """Start or go on training; what an earlier attempt left in the folder is taken up."""
        command = [sys.executable, "-m", "segloop.nnunet.training_run", str(self.folder)]
        command += ["--device", self.device]
        if self.processes > 1:
            command += ["--processes", str(self.processes)]
        own = {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}
        (self.folder / "outcome.json").unlink(missing_ok=True)
        with (self.folder / "trainer.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**self.environment, **own},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, seconds: float) -> bool:
        """Wait so long at most and return whether the process has ended."""
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """End the process: it saves its state if it can, and after a while its whole group is killed."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            self.wait(STOP_LIMIT_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def pause(self, wanted: bool) -> None:
        """Ask the training to wait before its next epoch, or to go on."""
        file = self.folder / PAUSE
        if wanted:
            file.touch()
        else:
            file.unlink(missing_ok=True)

    def heartbeat(self) -> dict[str, Any]:
        """Return where the training is, as it last said; empty before it says anything."""
        try:
            body: dict[str, Any] = json.loads((self.folder / "heartbeat.json").read_text())
        except (OSError, ValueError):
            return {}
        return body

    def epochs(self) -> list[dict[str, Any]]:
        """Return the records of the epochs that are done."""
        return read_progress(self.folder)

    def require_finished(self) -> Path:
        """Return the folder that a training that ended well left.

        Raises:
            SegloopError: what the training said went wrong: the job fails with it, and goes on where it was when retried.
            Unavailable: `training_interrupted` when the process was killed: the job goes on from its last checkpoint.
            RuntimeError: the training failed in a way nobody foresaw; the end of its log is in the message.
        """
        assert self._process is not None
        code = self._process.returncode
        try:
            outcome = json.loads((self.folder / "outcome.json").read_text())
        except (OSError, ValueError):
            outcome = {}
        if code == 0 and outcome.get("outcome") == "finished":
            return Path(outcome["trained_folder"])
        if code == EXIT_NO_ROOM:
            raise disk_full()
        if outcome.get("outcome") == "failed" and outcome["code"] != "internal":
            raise SegloopError(outcome["code"], outcome["message"])
        if code is not None and (code < 0 or code > 128 or outcome.get("outcome") == "stopped"):
            raise Unavailable(
                "training_interrupted",
                "The training process was killed; it goes on from its last checkpoint.",
            )
        raise RuntimeError(f"the training ended with {code}:\n{self.log()}")

    def log(self) -> str:
        """Return the last lines that the process wrote."""
        try:
            lines = (self.folder / "trainer.log").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-LOG_LINES:])
