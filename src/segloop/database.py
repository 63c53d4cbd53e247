"""Postgres: the engine, the one way to open a transaction, and the column types all tables share."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    MetaData,
    Text,
    Uuid,
    create_engine,
    event,
    func,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from segloop.errors import InvalidInput, Unavailable

__all__ = ["Connection", "Engine", "IntegrityError"]

_NUL = "cannot contain NUL"  # psycopg2's own words, before anything is sent
_UNTRANSLATABLE = "22P05"
_PROJECTS = "segloop_projects"
_SAY = text("SELECT set_config('segloop.all', :all, true), set_config('segloop.projects', :projects, true)")

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s",
    }
)


def open_engine(url: str, *, pool_size: int = 5) -> Engine:
    """Return an engine on psycopg2; connecting happens at first use."""
    url = url.replace("postgresql://", "postgresql+psycopg2://", 1)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_timeout=10,
        hide_parameters=True,  # an error quotes its statement, and what people typed is no matter of logs
        connect_args={
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            # Keepalives are silent while sent bytes wait for their acknowledgement: without this a partition hangs for 15 minutes.
            "tcp_user_timeout": 20_000,
        },
    )
    event.listen(engine, "begin", _say_what_is_seen)
    return engine


def narrow(engine: Engine, projects: Collection[str] | None) -> Engine:
    """Return the engine, with its connections, for transactions that see only some projects' rows, or (None) all of them.

    Postgres' row-level security holds to it; a transaction of an engine that was never narrowed sees none.
    """
    found: Engine = engine.execution_options(segloop_projects=None if projects is None else tuple(projects))
    return found


def _say_what_is_seen(conn: Connection) -> None:
    options = conn.get_execution_options()
    if _PROJECTS in options:
        projects = options[_PROJECTS]
        shown = {"all": "on" if projects is None else "off", "projects": ",".join(projects or ())}
        conn.execute(_SAY, shown)


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Open one transaction: commit when the block ends, roll back when it raises.

    Raises:
        Unavailable: `database_unavailable` when Postgres can't be reached or goes away, or all connections stay busy.
        InvalidInput: `text_invalid` when a text holds a NUL, which Postgres can't.
    """
    try:
        with engine.begin() as conn:
            yield conn
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise _unavailable() from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _unavailable() from error
        if getattr(error.orig, "pgcode", None) == _UNTRANSLATABLE:  # a NUL within JSON
            raise _no_text() from error
        raise
    except ValueError as error:
        if _NUL in str(error):
            raise _no_text() from error
        raise


def ping(engine: Engine) -> None:
    """Check that Postgres answers; raises `Unavailable` when it doesn't."""
    with transaction(engine) as conn:
        conn.execute(text("SELECT 1"))


def constraint_of(error: IntegrityError) -> str:
    """Name the constraint that an insert or update broke, or the empty string."""
    return str(getattr(getattr(error.orig, "diag", None), "constraint_name", None) or "")


def id_column() -> "Column[Any]":
    """Return a fresh UUID primary key column, made by the database (time-ordered)."""
    return Column("id", Uuid(as_uuid=False), primary_key=True, server_default=text("uuidv7()"))


def created_columns() -> "list[Column[Any]]":
    """Return `created_by` and `created_at`, which every feature row carries."""
    return [
        Column("created_by", Text, nullable=False),
        Column(
            "created_at",
            DateTime(timezone=True),
            nullable=False,
            server_default=func.clock_timestamp(),
        ),
    ]


def _no_text() -> InvalidInput:
    return InvalidInput("text_invalid", "A text holds a NUL character; take it out and try again.")


def _unavailable() -> Unavailable:
    return Unavailable(
        "database_unavailable",
        "The database can't be reached; try again in a few seconds.",
    )
