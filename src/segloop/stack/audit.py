"""`segloop audit`: whether the record of who did what is as it was written."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from segloop import database
from segloop.audit.seals import seal
from segloop.settings import Settings


def verify(environment: Mapping[str, str], kept_head: str | None, say: Callable[[str], None]) -> int:
    """Check the whole record and say what does not fit; 0 where all does, else 1."""
    with _connection(environment) as conn:
        verdict = seal.verify(conn, kept_head=kept_head)
    for problem in verdict.problems:
        say(problem)
    if verdict.problems:
        say(
            "The record was changed. Keep this machine as it is, and tell who is responsible for data protection."
        )
        return 1
    say(f"{verdict.n_events} events are as they were written. Head: {verdict.head}")
    return 0


def head(environment: Mapping[str, str]) -> str:
    """Return the newest seal."""
    with _connection(environment) as conn:
        return seal.head(conn)


def _connection(environment: Mapping[str, str]) -> AbstractContextManager[database.Connection]:
    settings = Settings.from_env(environment)
    return database.transaction(
        database.narrow(database.open_engine(settings.database_url, pool_size=1), None)
    )
