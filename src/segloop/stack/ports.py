"""Loopback ports: one block for the whole stack, kept between starts and moved when another program holds one."""

import json
import os
import socket
from pathlib import Path

from segloop.errors import Unavailable
from segloop.stack.home import Home

NAMES = (
    "api",
    "ui",
    "flower",
    "postgres",
    "valkey",
    "s3",
    "s3_grpc",
    "master",
    "master_grpc",
    "volume",
    "volume_grpc",
    "filer",
    "filer_grpc",
    "admin",
    "admin_grpc",
    "spare",
)
FIRST, LAST, STEP = 21000, 30000, 20


def choose(home: Home) -> dict[str, int]:
    """Return a free port for each name: the block of the last start if it is still free, else the next free one.

    Call it only while holding the supervisor's lock and with no leftover running, or our own servers look like others'.

    Raises:
        Unavailable: no block between FIRST and LAST is free.
    """
    path = home.run / "ports.json"
    earlier: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    candidates = [earlier["api"]] if "api" in earlier else []
    candidates += range(FIRST, LAST, STEP)
    uid = home.account.uid if home.account else os.geteuid()
    for base in candidates:
        ports = {name: base + offset for offset, name in enumerate(NAMES)}
        if all(_is_free(port) and not _has_foreign_socket(port, uid) for port in ports.values()):
            home.write_private(path, json.dumps(ports))
            return ports
    raise Unavailable(
        "no_free_ports",
        f"No {len(NAMES)} adjoining ports are free on 127.0.0.1 between {FIRST} and {LAST}.",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # A connection that is only waiting out TIME_WAIT does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _has_foreign_socket(port: int, uid: int) -> bool:
    # SeaweedFS also listens on /tmp/seaweedfs-*-grpc-PORT.sock; a stale one of another user cannot be replaced.
    stale = Path("/tmp").glob(f"seaweedfs-*-{port}.sock")
    return any(path.lstat().st_uid not in (uid, 0) for path in stale)
