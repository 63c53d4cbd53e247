"""A sign of life that a process's own loop gives: a file whose age says when the loop last came round.

`python -m segloop.alive relay` is the health check of a process that serves no HTTP.
"""

import socket
import sys
import threading
import time
from pathlib import Path

from segloop.errors import Unavailable
from segloop.settings import Settings

LIMIT_S = 60.0
"""How old a sign may be; every loop gives one much more often."""


def give(scratch: Path, name: str) -> None:
    """Say that the loop of this name came round; call it from the loop, whether or not what it needs was there.

    A database that is away is no reason to start a process anew, so that must not look like a loop that hangs.
    """
    # The system's monotonic clock, which all processes share: a clock that is set does not look like a death.
    path = _path(scratch, name)
    draft = path.with_name(f"{path.name}.{threading.get_ident()}")
    draft.write_text(str(time.monotonic()))
    draft.replace(path)


def check(scratch: Path, name: str) -> None:
    """Check that the loop of this name came round within `LIMIT_S` on this host.

    Raises:
        Unavailable: `not_alive`.
    """
    try:
        age_s = time.monotonic() - float(_path(scratch, name).read_text())
    except (OSError, ValueError):
        raise Unavailable("not_alive", f"{name} has given no sign of life yet.") from None
    if not 0 <= age_s <= LIMIT_S:
        raise Unavailable("not_alive", f"{name} gave its last sign of life more than {LIMIT_S:.0f} s ago.")


def _path(scratch: Path, name: str) -> Path:
    # Workers of several hosts may share a folder.
    return scratch / f"alive-{name}-{socket.gethostname()}"


if __name__ == "__main__":
    try:
        check(Settings.from_env().scratch, sys.argv[1])
    except Unavailable as error:
        sys.exit(error.message)
