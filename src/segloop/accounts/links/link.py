"""Make one-time links, and open them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from segloop.accounts import secret
from segloop.accounts.links import table
from segloop.accounts.people.table import people
from segloop.accounts.sessions import session
from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import Conflict, Unauthorized

LIFETIME_S = 24 * 3600


def create(conn: Connection, person: Row[Any], *, actor: str) -> tuple[str, datetime]:
    """Return (the code of a link, which is never shown again, until when it opens).

    Raises:
        Conflict: `person_off`.
    """
    if person.switched_off_at is not None:
        raise Conflict("person_off", "This person is switched off, so no link signs them in.")
    code = secret.new()
    values = {"person_id": person.id, "code_sha256": secret.digest(code), "created_by": actor}
    expires_at = table.insert_link(conn, lifetime_s=LIFETIME_S, **values)
    record(conn, actor=actor, action="link.created", object_type="person", object_id=person.id)
    return code, expires_at


def open_(conn: Connection, code: str) -> tuple[Row[Any], Row[Any], str]:
    """Use a link up and return (person, session, session key).

    Raises:
        Unauthorized: `link_invalid`, without saying what was wrong.
    """
    person_id = table.use(conn, secret.digest(code))
    query = select(people).where(people.c.id == person_id, people.c.switched_off_at.is_(None))
    person = None if person_id is None else conn.execute(query).one_or_none()
    if person is None:
        raise Unauthorized(
            "link_invalid", "This link was used already, or is not valid. Ask for a fresh one."
        )
    row, key = session.begin(conn, person, by="link")
    return person, row, key
