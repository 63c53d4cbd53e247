"""One service under the supervisor: its process, its state and what went wrong."""

import subprocess
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from segloop.stack.service import Service


class State(StrEnum):
    """Where one service is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    HEALTHY = "healthy"
    FINISHED = "finished"
    RESTARTING = "restarting"
    FAILING = "failing"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass
class Child:
    """A service and what became of it; `since`, `not_before` and `next_probe` are monotonic, `started_at` is UTC."""

    service: Service
    state: State = State.WAITING
    process: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    started_at: float = 0.0
    not_before: float = 0.0
    next_probe: float = 0.0
    misses: int = 0
    crashes: list[float] = field(default_factory=list)
    restarts: int = 0
    failing: int = 0  # tries since it was given up on, 0 while all is well
    log_offset: int = 0
    initialized: bool = False
    problem: str = ""

    @property
    def is_up(self) -> bool:
        """Say whether others may rely on it."""
        return self.state in (State.HEALTHY, State.FINISHED)

    @property
    def is_settled(self) -> bool:
        """Say whether it is up, or nobody waits for it any more."""
        return self.is_up or self.failing > 0

    def to_row(self) -> dict[str, Any]:
        """Return what run/state.json says of it."""
        return {
            "service": self.service.name,
            "state": self.state,
            "pid": self.process.pid if self.process and self.process.poll() is None else None,
            "port": self.service.port,
            "restarts": self.restarts,
            "started_at": self.started_at or None,
            "failing": self.failing > 0,
            "problem": self.problem,
        }
