"""The database of a backup, through the server's own pg_dump and pg_restore."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg2 import extensions

from segloop.errors import Unavailable
from segloop.stack import postgres


class Server:
    """An installation's embedded Postgres, as its superuser: who dumps must see every row of every project."""

    def __init__(self, binaries: Path, password: str, port: int) -> None:
        self._binaries, self._password, self._port = binaries, password, port

    @contextmanager
    def connected(self) -> Iterator[extensions.connection]:
        """Open one transaction that sees the database as it is at its first statement."""
        connection = postgres.connect(self._password, self._port, database=postgres.DATABASE)
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True, autocommit=False)
        try:
            yield connection
        finally:
            connection.close()

    def dump(self, target: Path, *, snapshot: str) -> None:
        """Write all schemas, rows and rights as an exported snapshot shows them; roles are made anew by every start.

        Raises:
            Unavailable: `database_not_dumped`.
        """
        self._run(
            "pg_dump",
            f"--snapshot={snapshot}",
            "--format=custom",
            f"--file={target}",
            code="database_not_dumped",
        )

    def load(self, source: Path) -> None:
        """Fill the new, empty database, all of it or nothing.

        Raises:
            Unavailable: `database_not_restored`.
        """
        self._run(
            "pg_restore", "--single-transaction", "--exit-on-error", str(source), code="database_not_restored"
        )

    def _run(self, program: str, *arguments: str, code: str) -> None:
        command = [str(self._binaries / program), "--host=127.0.0.1", f"--port={self._port}"]
        command += [f"--username={postgres.SUPERUSER}", f"--dbname={postgres.DATABASE}", *arguments]
        environment = {"PATH": os.environ.get("PATH", ""), "PGPASSWORD": self._password, "LC_ALL": "C"}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        if done.returncode:
            raise Unavailable(code, f"{program} failed: {done.stderr.strip()[-500:]}")


def export_snapshot(connection: extensions.connection) -> str:
    """Return the name under which other sessions see what this transaction sees, for as long as it lasts."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        return str(cursor.fetchone()[0])  # type: ignore[index]


def revision(connection: extensions.connection) -> str:
    """Return the migration that the database stands at."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT version_num FROM alembic_version")
        return str(cursor.fetchone()[0])  # type: ignore[index]
