"""Make people, and change what they are."""

from typing import Any

from sqlalchemy import Row

from segloop.accounts.keys import key
from segloop.accounts.links import table as links
from segloop.accounts.memberships import membership
from segloop.accounts.people import table
from segloop.accounts.sessions import table as sessions
from segloop.audit.record import record
from segloop.database import Connection, IntegrityError, constraint_of
from segloop.errors import Conflict, InvalidInput


def create(
    conn: Connection,
    *,
    name: str,
    actor: str,
    display_name: str = "",
    is_site_admin: bool = False,
    email: str | None = None,
    issuer: str | None = None,
    subject: str | None = None,
) -> Row[Any]:
    """Insert a person and return the row.

    Raises:
        Conflict: `person_exists`, `email_taken`.
        InvalidInput: `name_reserved`.
    """
    if name in table.RESERVED:
        raise InvalidInput("name_reserved", f"'{name}' is no name for a person; choose another.")
    try:
        with conn.begin_nested():
            row = table.insert_person(
                conn,
                name=name,
                display_name=display_name,
                is_site_admin=is_site_admin,
                email=email,
                issuer=issuer,
                subject=subject,
                created_by=actor,
            )
    except IntegrityError as error:
        raise _taken(error) from None
    record(conn, actor=actor, action="person.created", object_type="person", object_id=row.id)
    return row


def change(conn: Connection, name: str, *, actor: str, is_on: bool | None, **values: object) -> Row[Any]:
    """Change a person's columns and return the row; who is switched off (`is_on` False) is signed out at once.

    Who gets an `email`, be it the same, is signed out, too, and the next sign-in binds them to a provider's account anew.
    Links that nobody opened are used up; API keys that somebody made who is switched off are revoked, and of who is no site admin
    any more those that they could not make now.

    Raises:
        NotFound: `person_unknown`; Conflict: `email_taken`.
    """
    person_id = table.get(conn, name).id
    if "email" in values:
        values |= {"issuer": None, "subject": None}
    try:
        with conn.begin_nested():
            row = table.change(conn, person_id, is_on=is_on, **values)
    except IntegrityError as error:
        raise _taken(error) from None
    if is_on is False or "email" in values:
        _shut_out(conn, row.id)
    if is_on is False:
        key.revoke_made_by(conn, row.name, actor=actor)
    elif values.get("is_site_admin") is False:
        membership.revoke_uncovered_keys(conn, row, actor=actor)
    record(
        conn,
        actor=actor,
        action="person.changed",
        object_type="person",
        object_id=row.id,
        is_on=row.switched_off_at is None,
        is_site_admin=row.is_site_admin,
        is_email_new="email" in values,
    )
    return row


def end_sessions(conn: Connection, name: str, *, actor: str) -> None:
    """Sign a person out everywhere, and use up their links.

    Raises:
        NotFound: `person_unknown`.
    """
    row = table.get(conn, name)
    _shut_out(conn, row.id)
    record(conn, actor=actor, action="person.signed_out", object_type="person", object_id=row.id)


def _shut_out(conn: Connection, person_id: str) -> None:
    # Links first: one that is being opened is waited for, and its session ended with the others.
    links.use_all(conn, person_id)
    sessions.end_all(conn, person_id)


def _taken(error: IntegrityError) -> Exception:
    """Return what an error of the database says to the user, or itself."""
    constraint = constraint_of(error)
    if constraint == "people_email_key":
        return Conflict("email_taken", "Another person has this e-mail address already.")
    if constraint in ("people_name_key", "people_one_per_subject"):
        return Conflict("person_exists", "There is a person of this name already; choose another.")
    return error
