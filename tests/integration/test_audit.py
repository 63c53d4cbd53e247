"""The audit record: only appended to, chained so that any change is found, and refusals are in it."""

import threading
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from segloop.audit.record import record
from segloop.audit.seals import seal
from segloop.database import Engine, open_engine, transaction
from segloop.settings import Settings
from services.api import refusals
from services.api.main import create_app


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def owner(owner_url: str) -> Iterator[Engine]:
    """Somebody with all rights of the database who hides what was done."""
    engine = open_engine(owner_url)
    yield engine
    engine.dispose()


def tamper(owner: Engine, statement: str) -> None:
    with transaction(owner) as conn:
        conn.execute(text("ALTER TABLE audit_events DISABLE TRIGGER USER"))
        conn.execute(text("ALTER TABLE audit_seals DISABLE TRIGGER USER"))
        conn.execute(text(statement))
        conn.execute(text("ALTER TABLE audit_events ENABLE TRIGGER USER"))
        conn.execute(text("ALTER TABLE audit_seals ENABLE TRIGGER USER"))


def add(engine: Engine, n: int = 5) -> None:
    for i in range(n):
        with transaction(engine) as conn:
            record(
                conn, actor="tester", action="mask.opened", object_type="mask", object_id=str(i), n=i, ü="ß"
            )


def seal_all(engine: Engine) -> int:
    n = 0
    while True:
        with transaction(engine) as conn:
            sealed = seal.seal_once(conn, limit=3)
        n += sealed
        if not sealed:
            return n


def problems(engine: Engine, head: str | None = None) -> list[str]:
    with transaction(engine) as conn:
        return seal.verify(conn, kept_head=head).problems


def test_what_was_written_holds_and_several_may_seal_at_once(engine: Engine) -> None:
    add(engine, 20)
    together = [threading.Thread(target=seal_all, args=(engine,)) for _ in range(3)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    seal_all(engine)
    with transaction(engine) as conn:
        verdict = seal.verify(conn)
        assert verdict.head == seal.head(conn)
    assert verdict.problems == []
    assert verdict.n_events >= 20


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE audit_events SET actor = 'somebody else' WHERE id = {id}", "Event {id} (seal"),
        ("UPDATE audit_events SET detail = '{{}}' WHERE id = {id}", "Event {id} (seal"),
        ("UPDATE audit_events SET at = at + interval '1 second' WHERE id = {id}", "Event {id} (seal"),
        ("DELETE FROM audit_events WHERE id = {id}", "Event {id} (seal"),
        ("DELETE FROM audit_seals WHERE event_id = {id}", "are missing"),
        (
            "WITH gone AS (DELETE FROM audit_events WHERE id = {id}) DELETE FROM audit_seals WHERE event_id = {id}",
            "are missing",
        ),
    ],
)
def test_a_changed_or_missing_event_is_found(engine: Engine, owner: Engine, change: str, found: str) -> None:
    add(engine)
    seal_all(engine)
    assert problems(engine) == []
    with transaction(owner) as conn:
        conn.execute(text("CREATE TEMP TABLE kept AS SELECT 1"))
        event_id = conn.execute(text("SELECT max(id) - 2 FROM audit_events")).scalar_one()
        events = conn.execute(text("SELECT * FROM audit_events WHERE id = :id"), {"id": event_id}).one()
        seals = conn.execute(text("SELECT * FROM audit_seals WHERE event_id = :id"), {"id": event_id}).one()
    tamper(owner, change.format(id=event_id))
    told = problems(engine)
    assert [one for one in told if found.format(id=event_id) in one], told
    # As it was, for the next test.
    tamper(owner, f"DELETE FROM audit_events WHERE id = {event_id}")
    tamper(owner, f"DELETE FROM audit_seals WHERE event_id = {event_id}")
    with transaction(owner) as conn:
        from segloop.audit.seals.table import audit_seals
        from segloop.audit.table import audit_events

        conn.execute(audit_events.insert().values(**events._mapping))
        conn.execute(audit_seals.insert().values(**seals._mapping))
    assert problems(engine) == []


def test_an_event_put_in_without_a_seal_is_found_after_a_minute(engine: Engine, owner: Engine) -> None:
    with transaction(owner) as conn:
        conn.execute(
            text(
                "INSERT INTO audit_events (actor, action, object_type, at) "
                "VALUES ('x', 'x', 'x', clock_timestamp() - interval '2 minutes')"
            )
        )
    assert [one for one in problems(engine) if "1 events have no seal" in one]
    seal_all(engine)


def test_the_end_can_not_be_cut_off_where_the_head_was_kept(engine: Engine, owner: Engine) -> None:
    add(engine)
    seal_all(engine)
    with transaction(engine) as conn:
        head = seal.head(conn)
    assert problems(engine, head) == []
    last = head.partition(":")[0]
    tamper(
        owner,
        f"WITH gone AS (DELETE FROM audit_seals WHERE sequence = {last} RETURNING event_id) "
        "DELETE FROM audit_events WHERE id IN (SELECT event_id FROM gone)",
    )
    assert problems(engine) == []  # nobody can see it without the head
    (told,) = problems(engine, head)
    assert "cut off" in told


@pytest.mark.parametrize("table", ["audit_events", "audit_seals"])
def test_nobody_changes_the_record_by_mistake(engine: Engine, owner: Engine, table: str) -> None:
    for who in (engine, owner):
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET hash = ''", f"TRUNCATE {table}"):
            if "hash" in statement and table == "audit_events":
                statement = "UPDATE audit_events SET actor = ''"
            refused = pytest.raises(ProgrammingError, match=r"only ever appended|permission denied")
            with refused, transaction(who) as conn:
                conn.execute(text(statement))


def test_who_is_refused_is_on_record_and_guessing_does_not_fill_it(settings: Settings) -> None:
    refusals.forget()
    with TestClient(create_app(settings)) as http:
        for _ in range(15):
            assert http.get("/v1/projects", headers={"Authorization": "Bearer wrong"}).status_code == 401
        signed_in = {"Authorization": f"Bearer {settings.token}"}
        found = http.get("/v1/audit", params={"action": "access."}, headers=signed_in).json()["items"]
        assert len(found) == 10
        assert found[0]["object_id"].startswith("GET ") and found[0]["object_id"].endswith("/projects")
        assert found[0]["detail"]["code"] == "unauthorized"
        assert found[0]["detail"]["is_last_told"] is True
        exported = http.get("/v1/audit/export", headers=signed_in)
        lines = exported.text.splitlines()
        assert len(lines) > 10 and '"access.refused"' in exported.text
        newest = http.get("/v1/audit", params={"limit": 1}, headers=signed_in).json()
        assert newest["items"][0]["action"] == "audit.exported"
        assert http.get("/v1/audit/head", headers=signed_in).json()["head"].count(":") == 1
