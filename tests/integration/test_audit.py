"""The audit record: only appended to, chained so that any change is found, and refusals are in it."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from segloop.audit.record import record
from segloop.audit.seals import seal
from segloop.database import Engine, open_engine, transaction
from segloop.settings import Settings
from services.api import refusal_counts
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
    with TestClient(create_app(settings)) as http:
        for _ in range(15):
            assert http.get("/v1/projects", headers={"Authorization": "Bearer wrong"}).status_code == 401
        found = refused(http, settings)
        assert len(found) == 10
        assert found[0]["object_id"] == "GET /projects"
        assert found[0]["detail"]["code"] == "unauthorized"
        assert found[0]["detail"]["is_last_told"] is True
        exported = http.get("/v1/audit/export", headers=signed_in(settings))
        lines = exported.text.splitlines()
        assert len(lines) > 10 and '"access.refused"' in exported.text
        newest = http.get("/v1/audit", params={"limit": 1}, headers=signed_in(settings)).json()
        assert newest["items"][0]["action"] == "audit.exported"
        assert http.get("/v1/audit/head", headers=signed_in(settings)).json()["head"].count(":") == 1
    with TestClient(create_app(settings)) as http:  # what was not told is, when the API ends
        last = refused(http, settings)[0]
        assert (last["actor"], last["object_type"], last["object_id"]) == ("anonymous", "refusal", None)
        assert last["detail"] == {"address": "testclient", "n_untold": 5}


def signed_in(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.token}"}


def refused(http: TestClient, settings: Settings, **given: str) -> list[dict[str, Any]]:
    query = {"action": "access.", "limit": "200", **given}
    return list(http.get("/v1/audit", params=query, headers=signed_in(settings)).json()["items"])


def test_one_behind_a_router_hides_nobody_else_and_what_was_not_told_is_counted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TestClient(create_app(settings), headers=signed_in(settings)) as http:
        keys = {}
        for name in ("loud", "quiet"):
            body = {"name": name, "role": "viewer", "days": 1}
            keys[name] = {
                "Authorization": f"Bearer {http.post('/v1/projects/default/keys', json=body).json()['key']}"
            }
        members = "/v1/projects/default/members"
        for _ in range(14):
            assert http.get(members, headers=keys["loud"]).status_code == 403
            assert http.get(members, headers={"Authorization": ""}).status_code == 401
        assert http.get(members, headers=keys["quiet"]).status_code == 403
        (quiet,) = refused(http, settings, by="key:quiet@default")
        assert (quiet["object_type"], "n_untold" in quiet["detail"]) == ("project", False)
        assert len(refused(http, settings, by="key:loud@default")) == 10
        # Elsewhere it is told all the same: noise in one project hides nothing in another.
        assert http.get("/v1/people", headers=keys["loud"]).status_code == 403
        assert refused(http, settings, by="key:loud@default")[0]["object_id"] == "GET /people"
        monkeypatch.setattr(refusal_counts, "WINDOW_S", -1.0)  # the minute is over
        assert http.get(members, headers=keys["loud"]).status_code == 403
        assert refused(http, settings, by="key:loud@default")[0]["detail"]["n_untold"] == 4


def test_a_key_that_is_over_is_named_to_who_has_its_secret_and_on_record(
    settings: Settings, owner: Engine
) -> None:
    with TestClient(create_app(settings), headers=signed_in(settings)) as http:
        body = {"name": "over", "role": "viewer", "days": 1}
        made = http.post("/v1/projects/default/keys", json=body).json()
        project_id = http.get("/v1/projects/default").json()["id"]

        def ask(value: str) -> dict[str, Any]:
            answer = http.get("/v1/me", headers={"Authorization": f"Bearer {value}"})
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
            return dict(answer.json())

        for code, change in (
            ("key_expired", "UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE id = :id"),
            ("key_revoked", "UPDATE api_keys SET revoked_at = now() WHERE id = :id"),
        ):
            with transaction(owner) as conn:
                conn.execute(text(change), {"id": made["id"]})
            told = ask(made["key"])
            assert told["code"] == code and code.removeprefix("key_") in told["detail"]
            assert not {"acts_as", "key_id", "project_id"} & set(told)
            event = refused(http, settings, project="default")[0]
            assert (event["actor"], event["object_type"], event["object_id"]) == (
                "key:over@default",
                "api_key",
                made["id"],
            )
            assert (event["detail"]["code"], event["detail"]["route"]) == (code, "GET /me")
            assert event["project_id"] == project_id
            for wrong in (made["key"][:-2] + "..", f"sgk_{'0' * 32}_x"):
                assert ask(wrong)["code"] == "unauthorized"
                newest = refused(http, settings)[0]
                assert (newest["actor"], newest["project_id"]) == ("anonymous", None)
                assert made["id"] not in str(newest)
