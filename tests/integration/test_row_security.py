"""What Postgres itself shows: of every table the rows of the projects that were said, and without a word none."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.exc import ProgrammingError

import tests.worlds as worlds
from segloop.database import Engine, metadata, narrow, open_engine, transaction
from segloop.jobs.table import jobs
from segloop.settings import Settings

SITE = worlds.NO_PROJECT | {"workers"}
SECURED = [table for table in metadata.sorted_tables if table.name not in SITE]
NAMES = [table.fullname for table in SECURED]


@pytest.fixture
def places(settings: Settings) -> Iterator[tuple[worlds.World, worlds.World]]:
    owner = open_engine(settings.owner_database_url)
    tag = uuid.uuid4().hex[:6]
    with transaction(owner) as conn:
        yield_ = worlds.make(conn, f"here{tag}"), worlds.make(conn, f"there{tag}")
    yield yield_
    owner.dispose()


@pytest.fixture
def engines(settings: Settings) -> Iterator[dict[str | None, Engine]]:
    """Engines of the API's roles by schema, as a service opens them: with nothing said."""
    plain = settings.database_url.partition("?")[0]
    found = {
        None: open_engine(plain),
        "identity": open_engine(settings.identity_database_url.partition("?")[0]),
    }
    yield found
    for engine in found.values():
        engine.dispose()


def counts(engine: Engine, table: Any, places: tuple[worlds.World, worlds.World]) -> list[int]:
    with transaction(engine) as conn:
        return [worlds.count(conn, table, world) for world in places]


@pytest.mark.parametrize("table", SECURED, ids=NAMES)
def test_only_the_rows_of_the_projects_that_were_said_are_there(
    table: Any, places: tuple[worlds.World, worlds.World], engines: dict[str | None, Engine]
) -> None:
    engine, (here, there) = engines[table.schema], places
    assert counts(engine, table, places) == [0, 0], "nothing was said"
    assert counts(narrow(engine, ()), table, places) == [0, 0]
    assert counts(narrow(engine, {here.project_id}), table, places) == [1, 0]
    assert counts(narrow(engine, {here.project_id, there.project_id}), table, places) == [1, 1]
    assert counts(narrow(engine, None), table, places) == [1, 1]
    assert counts(engine, table, places) == [0, 0], "a connection keeps nothing for the next transaction"


@pytest.mark.parametrize("table", SECURED, ids=NAMES)
def test_security_is_forced_and_no_table_was_forgotten(table: Any, settings: Settings) -> None:
    owner = open_engine(settings.owner_database_url)
    with transaction(owner) as conn:
        query = text(
            "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = CAST(:name AS regclass)"
        )
        assert conn.execute(query, {"name": table.fullname}).one() == (True, True)
    owner.dispose()


def test_nothing_is_written_into_another_project(
    places: tuple[worlds.World, worlds.World], engines: dict[str | None, Engine]
) -> None:
    here, there = places
    mine = narrow(engines[None], {here.project_id})
    with transaction(mine) as conn:
        changed = conn.execute(update(jobs).where(jobs.c.id == there.id("jobs")).values(stage="x"))
        assert changed.rowcount == 0
    values = {"created_by": "x", "kind": "selftest", "queue": "segmentation", "priority": 1}
    with pytest.raises(ProgrammingError, match="row-level security"), transaction(mine) as conn:
        conn.execute(insert(jobs).values(project_id=there.project_id, **values))


def test_workers_see_every_projects_jobs_and_nothing_of_accounts(
    places: tuple[worlds.World, worlds.World], stack: Any, database: str
) -> None:
    from segloop.stack import postgres

    password, port = stack.servers.credentials.postgres_worker, stack.servers.ports["postgres"]
    engine = open_engine(postgres.url(password, port, user=postgres.WORKER, database=database))
    assert counts(engine, jobs, places) == [1, 1]
    for name in ("people", "memberships", "api_keys", "sessions", "sign_in_links", "identity.series"):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction(engine) as conn:
            conn.execute(text(f"SELECT count(*) FROM {name}"))
    with pytest.raises(ProgrammingError, match="permission denied"), transaction(engine) as conn:
        conn.execute(text("UPDATE volumes SET sha256 = ''"))
    engine.dispose()
