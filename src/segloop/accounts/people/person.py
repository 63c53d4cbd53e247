"""Make people, and change what they are."""

from typing import Any

from sqlalchemy import Row

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
    issuer: str | None = None,
    subject: str | None = None,
) -> Row[Any]:
    """Insert a person and return the row.

    Raises:
        Conflict: `person_exists`.
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
                issuer=issuer,
                subject=subject,
                created_by=actor,
            )
    except IntegrityError as error:
        if constraint_of(error) not in ("people_name_key", "people_one_per_subject"):
            raise
        raise Conflict("person_exists", "There is a person of this name already; choose another.") from None
    record(conn, actor=actor, action="person.created", object_type="person", object_id=row.id)
    return row


def change(conn: Connection, name: str, *, actor: str, is_on: bool | None, **values: object) -> Row[Any]:
    """Change a person's columns and return the row; who is switched off (`is_on` False) is signed out at once.

    Raises:
        NotFound: `person_unknown`.
    """
    row = table.change(conn, table.get(conn, name).id, is_on=is_on, **values)
    if is_on is False:
        sessions.end_all(conn, row.id)
    record(
        conn,
        actor=actor,
        action="person.changed",
        object_type="person",
        object_id=row.id,
        is_on=row.switched_off_at is None,
        is_site_admin=row.is_site_admin,
    )
    return row
