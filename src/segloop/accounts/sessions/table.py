"""SQL of sessions."""

from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Row,
    Table,
    Text,
    Uuid,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from segloop.accounts.people.table import people
from segloop.database import Connection, id_column, metadata

_now = func.clock_timestamp()

sessions = Table(
    "sessions",
    metadata,
    id_column(),
    Column("person_id", Uuid(as_uuid=False), ForeignKey("people.id"), nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_now),
    Column("secret_sha256", Text, nullable=False),
    # Of the sign-in at a provider that it came from, which gives one session and no second one.
    Column("nonce_sha256", Text, unique=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
)


def insert_session(conn: Connection, *, lifetime_s: int, **values: object) -> Row[Any]:
    """Insert a session and return the row; `sessions_nonce_sha256_key` refuses a second one of a nonce."""
    expires_at = _now + text("make_interval(secs => :s)").bindparams(s=lifetime_s)
    made = insert(sessions).values(expires_at=expires_at, **values)
    return conn.execute(made.returning(sessions)).one()


def find_live(conn: Connection, session_id: str) -> Row[Any] | None:
    """Return a session that is neither over nor ended, with its person's columns, unless the person is switched off."""
    query = (
        select(sessions, people.c.name, people.c.is_site_admin)
        .join(people, people.c.id == sessions.c.person_id)
        .where(
            sessions.c.id == session_id,
            sessions.c.ended_at.is_(None),
            sessions.c.expires_at > _now,
            people.c.switched_off_at.is_(None),
        )
    )
    return conn.execute(query).one_or_none()


def end(conn: Connection, session_id: str) -> None:
    """End a session; a repeat changes nothing."""
    live = update(sessions).where(sessions.c.id == session_id, sessions.c.ended_at.is_(None))
    conn.execute(live.values(ended_at=_now))


def end_all(conn: Connection, person_id: str) -> None:
    """End all sessions of a person."""
    live = update(sessions).where(sessions.c.person_id == person_id, sessions.c.ended_at.is_(None))
    conn.execute(live.values(ended_at=_now))


def drop_old(conn: Connection, *, days: int) -> int:
    """Delete sessions that were over some days ago; return how many."""
    old = sessions.c.expires_at < _now - text("make_interval(days => :days)").bindparams(days=days)
    return conn.execute(delete(sessions).where(old)).rowcount
