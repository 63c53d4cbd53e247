"""The embedded Valkey: the Redis-protocol broker."""

import redis

from segloop.stack.binaries import Binaries
from segloop.stack.credentials import Credentials
from segloop.stack.home import Home
from segloop.stack.service import Service


def service(home: Home, credentials: Credentials, binaries: Binaries, port: int) -> Service:
    """Describe the Valkey server of this installation: every write is logged to disk, and it never evicts a message."""
    folder = home.folder_for("valkey")
    configuration = folder / "valkey.conf"
    # set-proc-title off: the command line must stay what it was for a leftover to be recognised.
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        f"dir {folder}",
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        "maxmemory-policy noeviction",
        "databases 64",
        "set-proc-title no",
        f"requirepass {credentials.valkey}",
    ]

    def check() -> None:
        with redis.Redis(port=port, password=credentials.valkey, socket_timeout=3) as client:
            client.ping()

    return Service(
        name="valkey",
        command=(str(binaries.valkey), str(configuration)),
        folder=folder,
        environment={"TZ": "UTC"},
        prepare=lambda: home.write_private(configuration, "\n".join(lines) + "\n", for_server=True),
        check=check,
        stop_limit_s=20,
        unprivileged=True,
        port=port,
    )


def url(password: str, port: int, *, database: int = 0) -> str:
    """Return the broker's address; each `database` number is a separate set of queues."""
    return f"redis://:{password}@127.0.0.1:{port}/{database}"
