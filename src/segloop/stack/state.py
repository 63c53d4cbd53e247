"""What the running supervisor last wrote down, for the commands that look at it from outside."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segloop.errors import NotFound
from segloop.stack import admin, lock
from segloop.stack.run import ENVIRONMENT_FILE, STATE_FILE


@dataclass(frozen=True)
class State:
    """`phase` is starting, healthy, degraded, stopping, stopped or failed; `services` are rows of run/state.json.

    Degraded: all that is essential is healthy, and something else keeps failing.
    """

    phase: str
    supervisor: int | None
    services: list[dict[str, Any]]

    @property
    def is_up(self) -> bool:
        """Say whether the stack can be used, be it with something failing."""
        return self.phase in ("healthy", "degraded")

    @property
    def failing(self) -> list[str]:
        """Name the services that keep failing."""
        return [row["service"] for row in self.services if row["failing"]]


def read(root: Path) -> State:
    """Return the state of the stack on this data folder; `stopped` when no supervisor runs."""
    held = lock.is_held(root)
    try:
        noted = json.loads((root / STATE_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return State("starting" if held else "stopped", None, [])
    if held and _is_alive(noted["supervisor"]):
        return State(noted["phase"], noted["supervisor"], noted["services"])
    if held:
        # The file is of a supervisor that was killed; its successor hasn't written yet.
        return State("starting", None, [])
    return State("failed" if noted["phase"] == "failed" else "stopped", None, noted["services"])


def environment(root: Path) -> dict[str, str]:
    """Return the `SEGLOOP_*` variables of the last start: addresses, token, passwords.

    Raises:
        NotFound: nothing was ever started on this data folder.
    """
    try:
        noted: dict[str, str] = json.loads((root / ENVIRONMENT_FILE).read_text())
    except FileNotFoundError:
        raise NotFound(
            "never_started",
            f"Nothing was started on {root} yet. Run ./segloop up first.",
        ) from None
    return noted


def ports(root: Path) -> dict[str, int]:
    """Return the ports of the last start."""
    chosen: dict[str, int] = json.loads((root / "run/ports.json").read_text())
    return chosen


def new_link(root: Path, person: str = admin.FIRST) -> str:
    """Return a fresh address of the UI that signs a person in once."""
    return f"http://127.0.0.1:{ports(root)['ui']}/?key={admin.new_code(environment(root), person)}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
