"""`segloop restore`: a backup becomes a new installation, checked before and after."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from segloop.errors import Conflict, InvalidInput
from segloop.stack import binaries, home, lock, servers, supervisor
from segloop.stack.applications import ROOT
from segloop.stack.backup import manifest, objects
from segloop.stack.backup.create import store_of
from segloop.stack.backup.database import Server

Say = Callable[[str], None]


def restore(
    root: Path, source: Path, secrets: Mapping[str, str], environ: Mapping[str, str], say: Say
) -> None:
    """Make a data folder from a backup; servers run while it is filled and are stopped again.

    Raises:
        Conflict: `home_not_empty`: nothing is overwritten.
        InvalidInput: `backup_damaged`, `backup_newer`, `database_elsewhere`.
        Unavailable: `database_not_restored`, `objects_missing`.
    """
    if root.exists() and any(root.iterdir()):
        raise Conflict(
            "home_not_empty",
            f"{root} holds an installation, or the rest of a restore that was broken off; nothing is overwritten. Set SEGLOOP_HOME"
            " to a new folder, or move this one away.",
        )
    if any(environ.get(name) for name in ("SEGLOOP_DATABASE_URL", "SEGLOOP_S3_ENDPOINT")):
        raise InvalidInput(
            "database_elsewhere",
            "The environment names servers of your own. Restore into those as docs/operations.md says.",
        )
    made = manifest.read(source)
    if not any((ROOT / "migrations/versions").glob(f"{made.revision}_*.py")):
        raise InvalidInput(
            "backup_newer",
            f"A later version of Segloop ({made.version}) made this backup; restore it with that one.",
        )
    say("  verifying the backup")
    manifest.verify(source, made)
    opened = home.open_home(root, environ.get("SEGLOOP_RUN_AS", "nobody"))
    opened.write_private(root / "credentials.json", json.dumps(dict(secrets), indent=2))
    with lock.Lock(opened):
        described = servers.describe(opened, {})
        running = supervisor.Supervisor(opened, described.services)
        try:
            running.start()
            _fill(described, source, made, say)
        finally:
            running.stop()


def _fill(described: servers.Servers, source: Path, made: manifest.Manifest, say: Say) -> None:
    server = Server(
        binaries.locate(described.home).postgres_bin,
        described.credentials.postgres_superuser,
        described.ports["postgres"],
    )
    store = store_of(described.environment())
    server.load(source / manifest.DUMP)
    say("  database restored")
    objects.copy_in(store, source, made.objects)
    with server.connected() as connection:
        referenced = objects.list_referenced(connection)
    objects.check(store, made.objects, referenced - set(made.gone))
    say(
        f"  {len(made.objects)} objects restored and read back; all {len(referenced)} that rows name are there"
    )
    if made.gone:
        say(
            f"  {len(made.gone)} of them were deleted while the backup ran, such as parts of uploads that had just ended"
        )
