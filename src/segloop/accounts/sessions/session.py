"""Begin and end sessions, and say who comes with a session key."""

from typing import Any

from sqlalchemy import Row

from segloop.accounts import secret
from segloop.accounts.actor import Actor, Kind
from segloop.accounts.memberships import table as memberships
from segloop.accounts.roles import Role
from segloop.accounts.sessions import table
from segloop.audit.record import record
from segloop.database import Connection, IntegrityError, constraint_of
from segloop.errors import Unauthorized

PREFIX = "sgs"
LIFETIME_S = 12 * 3600


def begin(conn: Connection, person: Row[Any], *, by: str, nonce: str | None = None) -> tuple[Row[Any], str]:
    """Insert a session of a person and return (row, session key, which is never shown again); `by` is the way they came.

    Raises:
        Unauthorized: `token_used` where there was a session of this nonce.
    """
    hidden = secret.new()
    values = {"person_id": person.id, "secret_sha256": secret.digest(hidden)}
    nonce_sha256 = None if nonce is None else secret.digest(nonce)
    try:
        with conn.begin_nested():
            row = table.insert_session(conn, lifetime_s=LIFETIME_S, nonce_sha256=nonce_sha256, **values)
    except IntegrityError as error:
        if constraint_of(error) != "sessions_nonce_sha256_key":
            raise
        raise Unauthorized("token_used", "This sign-in was used already. Sign in again.") from None
    record(
        conn,
        actor=person.name,
        action="session.begun",
        object_type="person",
        object_id=person.id,
        by=by,
    )
    return row, secret.compose(PREFIX, row.id, hidden)


def end(conn: Connection, actor: Actor) -> None:
    """End the session that somebody came with."""
    table.end(conn, actor.reference)
    record(
        conn,
        actor=actor.name,
        action="session.ended",
        object_type="person",
        object_id=actor.person_id,
    )


def resolve(conn: Connection, value: str, *, site_permissions: frozenset[str]) -> Actor | None:
    """Return who comes with a session key; None where it is not, or no longer, good.

    A site admin has the `site_permissions` everywhere: those that the installation gives to whoever runs it.
    """
    parts = secret.split(PREFIX, value)
    row = None if parts is None else table.find_live(conn, parts[0])
    if parts is None or row is None or not secret.matches(parts[1], row.secret_sha256):
        return None
    return _actor(conn, row, site_permissions)


def actor_by_id(conn: Connection, session_id: str, *, site_permissions: frozenset[str]) -> Actor | None:
    """Return whose session it is, if it lasts."""
    row = table.find_live(conn, session_id)
    return None if row is None else _actor(conn, row, site_permissions)


def _actor(conn: Connection, row: Row[Any], site_permissions: frozenset[str]) -> Actor:
    mine = memberships.list_by_person(conn, row.person_id)
    return Actor(
        row.name,
        Kind.PERSON,
        row.id,
        person_id=row.person_id,
        is_site_admin=row.is_site_admin,
        roles={one.project_id: Role(one.role) for one in mine},
        permissions={one.project_id: frozenset(one.permissions) for one in mine},
        site_permissions=site_permissions if row.is_site_admin else frozenset(),
    )
