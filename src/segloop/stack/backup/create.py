"""`segloop backup`: one snapshot of the database, then every object, then the keys; the manifest comes last."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from segloop import __version__, database
from segloop.accounts.actor import LOCAL_ACTOR
from segloop.audit.record import record
from segloop.errors import Conflict, InvalidInput, Unavailable
from segloop.settings import PREFIX
from segloop.stack import binaries, home, postgres, state
from segloop.stack.backup import keys, manifest, objects
from segloop.stack.backup.database import Server, export_snapshot, revision
from segloop.storage import ObjectStore, open_store

Say = Callable[[str], None]


def create(root: Path, target: Path, passphrase: str | None, say: Say) -> manifest.Manifest:
    """Back up the running installation into a new folder; without a passphrase the keys are left out.

    Whatever was acknowledged before this began is in it: the database as of one moment, and all objects, which are
    written before the rows that name them.

    Raises:
        Conflict: `not_running`, `backup_exists`.
        InvalidInput: `database_elsewhere`, `passphrase_short`.
        Unavailable: `objects_missing` where rows name objects that the store has lost; `backup_not_written`.
    """
    if not state.read(root).is_up:
        raise Conflict(
            "not_running", "Segloop is not running, so it can't be backed up. Start it: ./segloop up"
        )
    environment = state.environment(root)
    sealed = keys.seal(secrets_of(root, environment), passphrase) if passphrase is not None else None
    server = _server(root, environment)
    new_folder(target)
    try:
        made = _fill(target, server, store_of(environment), sealed, say)
    except OSError as error:
        raise Unavailable(
            "backup_not_written",
            f"The backup could not be written ({error.strerror}). Remove {target}, make room, try again.",
        ) from error
    with database.transaction(
        database.narrow(database.open_engine(environment["SEGLOOP_DATABASE_URL"], pool_size=1), None)
    ) as conn:
        record(
            conn,
            actor=LOCAL_ACTOR,
            action="backup.made",
            object_type="installation",
            n_objects=len(made.objects),
            with_keys=sealed is not None,
        )
    return made


def secrets_of(root: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets in use: those that the installation made, or what its environment set instead."""
    made: dict[str, str] = json.loads((root / "credentials.json").read_text())
    return {name: environment.get(PREFIX + name.upper()) or value for name, value in made.items()}


def store_of(environment: Mapping[str, str]) -> ObjectStore:
    """Return the object store that the environment names."""
    return open_store(
        endpoint=environment["SEGLOOP_S3_ENDPOINT"],
        access_key=environment["SEGLOOP_S3_ACCESS_KEY"],
        secret_key=environment["SEGLOOP_S3_SECRET_KEY"],
        bucket=environment["SEGLOOP_S3_BUCKET"],
        secure=environment.get("SEGLOOP_S3_SECURE", "").lower() in ("true", "1"),
    )


def new_folder(target: Path) -> None:
    """Make the folder, which must be new or empty, readable by its owner only.

    Raises:
        Conflict: `backup_exists`.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(
            "backup_exists", f"{target} is there already; nothing is overwritten. Name a new folder."
        )
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(0o700)


def _server(root: Path, environment: Mapping[str, str]) -> Server:
    made, port = json.loads((root / "credentials.json").read_text()), state.ports(root)["postgres"]
    if environment["SEGLOOP_DATABASE_URL"] != postgres.url(made["postgres_app"], port, user=postgres.APP):
        raise InvalidInput(
            "database_elsewhere",
            "The database is not the embedded one. Back up Postgres and S3 as docs/operations.md says for servers of your own.",
        )
    return Server(binaries.locate(home.open_home(root)).postgres_bin, made["postgres_superuser"], port)


def _fill(
    target: Path, server: Server, store: ObjectStore, sealed: bytes | None, say: Say
) -> manifest.Manifest:
    with server.connected() as connection:
        snapshot = export_snapshot(connection)
        at, stands_at = datetime.now(UTC), revision(connection)
        referenced = objects.list_referenced(connection)
        server.dump(target / manifest.DUMP, snapshot=snapshot)
    say(f"  database: as of {at:%Y-%m-%d %H:%M:%S} UTC, naming {len(referenced)} objects")
    copied, absent = objects.copy_out(store, target, known=referenced)
    gone = sorted(absent & referenced)
    if gone:
        with server.connected() as connection:
            lost = sorted(set(gone) & objects.list_referenced(connection))
        if lost:
            raise Unavailable(
                "objects_missing",
                f"Rows name {len(lost)} stored files that are not there, such as {', '.join(lost[:3])}. This backup is not"
                " complete; find out what removed them from the object store.",
            )
    say(f"  objects: {len(copied)}")
    if sealed is not None:
        (target / manifest.KEYS).write_bytes(sealed)
    files = {}
    for name in (manifest.DUMP, manifest.KEYS):
        if (target / name).exists():
            manifest.sync(target / name)
            files[name] = manifest.describe(target / name)
    made = manifest.Manifest(
        at.isoformat(timespec="seconds"), __version__, stands_at, files, copied, sorted(referenced), gone
    )
    digest = manifest.write(target, made)
    say(f"  SHA-256 of {manifest.FILE}: {digest}")
    return made
