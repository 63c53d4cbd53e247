"""The embedded PostgreSQL: cluster, five roles and the one database."""

import shutil
import signal
import subprocess
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from segloop.errors import Unavailable
from segloop.stack.binaries import Binaries
from segloop.stack.credentials import Credentials
from segloop.stack.home import Home
from segloop.stack.service import Service

SUPERUSER, OWNER = "postgres", "segloop_owner"
APP, WORKER, IDENTITY = "segloop_app", "segloop_worker", "segloop_identity"
DATABASE = "segloop"


def service(home: Home, credentials: Credentials, binaries: Binaries, port: int) -> Service:
    """Describe the Postgres server of this installation."""
    folder = home.folder_for("postgres")
    data = folder / "data"
    options = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
    }
    command = [
        str(binaries.postgres_bin / "postgres"),
        "-D",
        str(data),
        "-p",
        str(port),
    ]
    command += [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]

    def check() -> None:
        connect(credentials.postgres_superuser, port).close()

    def initialize() -> None:
        create_roles(credentials, port)
        create_database(credentials, port, DATABASE)

    return Service(
        name="postgres",
        command=tuple(command),
        folder=folder,
        environment={"TZ": "UTC", "LC_ALL": "C"},
        prepare=lambda: make_cluster(home, data, credentials, binaries),
        check=check,
        initialize=initialize,
        stop_signal=signal.SIGINT,  # "fast": ends sessions and writes a clean shutdown
        stop_limit_s=30,
        death_signal=signal.SIGINT,
        unprivileged=True,
        port=port,
    )


def make_cluster(home: Home, data: Path, credentials: Credentials, binaries: Binaries) -> None:
    """Create the cluster once, sorting the same everywhere (builtin C.UTF-8) and trusting nobody without a password."""
    if data.exists():
        return
    # Made beside its place and then moved: a cluster that exists is complete, whenever we were interrupted.
    draft = data.with_name("data.new")
    shutil.rmtree(draft, ignore_errors=True)
    password = data.with_name("password")
    home.write_private(password, credentials.postgres_superuser + "\n", for_server=True)
    command = [
        str(binaries.postgres_bin / "initdb"),
        "-D",
        str(draft),
        "-U",
        SUPERUSER,
        "-A",
        "scram-sha-256",
        "--pwfile",
        str(password),
    ]
    command += [
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]
    result = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", **home.drop)
    password.unlink()
    if result.returncode:
        raise Unavailable("cluster_not_created", f"initdb failed: {result.stderr.strip()[-500:]}")
    draft.rename(data)


def connect(password: str, port: int, *, user: str = SUPERUSER, database: str = "postgres") -> Connection:
    """Open an autocommit connection to the embedded server."""
    connection = psycopg2.connect(
        host="127.0.0.1",
        port=port,
        user=user,
        password=password,
        dbname=database,
        connect_timeout=3,
    )
    connection.autocommit = True
    return connection


def create_roles(credentials: Credentials, port: int) -> None:
    """Make or reset the roles Segloop uses; none may do anything beyond the database it is given."""
    passwords = {
        OWNER: credentials.postgres_owner,
        APP: credentials.postgres_app,
        WORKER: credentials.postgres_worker,
        IDENTITY: credentials.postgres_identity,
    }
    connection = connect(credentials.postgres_superuser, port)
    try:
        with connection.cursor() as cursor:
            for role, password in passwords.items():
                cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
                verb = sql.SQL("ALTER" if cursor.fetchone() else "CREATE")
                limits = sql.SQL(
                    "{} ROLE {} LOGIN PASSWORD {} NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT"
                )
                cursor.execute(limits.format(verb, sql.Identifier(role), sql.Literal(password)))
    finally:
        connection.close()


def create_database(credentials: Credentials, port: int, name: str, *, template: str = "template0") -> None:
    """Make the database if missing: the owner owns it and its schema; the application may only connect and use."""
    connection = connect(credentials.postgres_superuser, port)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if cursor.fetchone() is None:
                create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}")
                cursor.execute(create.format(*map(sql.Identifier, (name, OWNER, template))))
            access = (
                "REVOKE ALL ON DATABASE {0} FROM PUBLIC; GRANT CONNECT, TEMPORARY ON DATABASE {0} TO {1}; "
                "GRANT CONNECT ON DATABASE {0} TO {2}; GRANT CONNECT ON DATABASE {0} TO {3}"
            )
            cursor.execute(sql.SQL(access).format(*map(sql.Identifier, (name, APP, WORKER, IDENTITY))))
    finally:
        connection.close()
    connection = connect(credentials.postgres_superuser, port, database=name)
    try:
        with connection.cursor() as cursor:
            schema = "ALTER SCHEMA public OWNER TO {0}; REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO {1}"
            cursor.execute(sql.SQL(schema).format(sql.Identifier(OWNER), sql.Identifier(APP)))
    finally:
        connection.close()


def url(password: str, port: int, *, user: str, database: str = DATABASE) -> str:
    """Return the SQLAlchemy address of one role's access to one database."""
    return f"postgresql+psycopg2://{user}:{password}@127.0.0.1:{port}/{database}"
