"""What the supervisor needs to know about one service; the tables of services are in servers.py and applications.py."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

MIGRATIONS = "migrations"


def nothing() -> None:
    """Do nothing: the default step."""


@dataclass(frozen=True)
class Service:
    """One supervised process.

    `prepare` runs before each start. `check` raises while the service isn't usable and is repeated until it returns;
    `initialize` runs once after the first successful check of each supervisor. A service starts when all of `after`
    are healthy. A `one_shot` service is healthy once it has exited with 0. One that is not `essential` may keep failing
    without taking the rest down: people can look at masks without workers, and integrations post jobs without pages.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    after: tuple[str, ...] = ()
    prepare: Callable[[], None] = nothing
    check: Callable[[], None] = nothing
    initialize: Callable[[], None] = nothing
    stop_signal: signal.Signals = signal.SIGTERM
    stop_limit_s: float = 10.0
    death_signal: signal.Signals = signal.SIGTERM
    start_limit_s: float = 60.0
    unprivileged: bool = False
    one_shot: bool = False
    essential: bool = True
    ready_line: str = ""
    port: int | None = None
