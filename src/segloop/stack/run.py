"""The supervisor process: from taking the lock to releasing it."""

import json
import logging
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from segloop.errors import SegloopError
from segloop.stack import applications, home, lock, servers, supervisor

log = logging.getLogger(__name__)

STATE_FILE = "run/state.json"
ENVIRONMENT_FILE = "run/environment.json"
PORTS_FILE = "run/ports.json"


def run(root: Path, environ: Mapping[str, str]) -> None:
    """Bring the whole stack up on the data folder and keep it up until SIGTERM or SIGINT; then stop it in order.

    Raises:
        SegloopError: another supervisor runs, a setting is wrong, or a service can't be kept alive.
    """
    opened = home.open_home(root, environ.get("SEGLOOP_RUN_AS", "nobody"))
    quitting = False

    def quit_soon(*_: object) -> None:
        nonlocal quitting
        quitting = True

    with lock.Lock(opened):
        (root / STATE_FILE).unlink(missing_ok=True)
        signal.signal(signal.SIGTERM, quit_soon)
        signal.signal(signal.SIGINT, quit_soon)
        for name in lock.end_leftovers(opened):
            log.warning("ended %s, left over from a supervisor that was killed", name)
        before = _ports(root)
        described = servers.describe(opened, environ)
        if before and before != _ports(root):
            log.warning(
                "a port was taken, so every address has moved: %s, now %s", before["api"], _ports(root)["api"]
            )
        without = environ.get("SEGLOOP_WITHOUT", "").split(",")
        ours = [
            service for service in applications.services(described, environ) if service.name not in without
        ]
        table = [*described.services, *ours]
        own = applications.environment(described, environ)
        settings = {name: value for name, value in own.items() if name.startswith("SEGLOOP_")}
        opened.write_private(root / ENVIRONMENT_FILE, json.dumps(settings, indent=2))
        running = supervisor.Supervisor(opened, table)
        try:
            running.start(wanted=lambda: not quitting)
            while not quitting:
                running.tick()
                time.sleep(supervisor.POLL_S)
        except SegloopError as error:
            log.error("giving up: %s", error.message)
            running.stop(phase="failed")
            raise
        running.stop()


def _ports(root: Path) -> dict[str, int]:
    path = root / PORTS_FILE
    found: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    return found
