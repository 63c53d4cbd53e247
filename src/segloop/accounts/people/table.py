"""SQL of people."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Row,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
    update,
)

from segloop.database import Connection, created_columns, id_column, metadata
from segloop.errors import NotFound

NAME = "^[a-z0-9][a-z0-9._@+-]{0,99}$"
RESERVED = ("local", "system", "sweeper", "worker")
"""Names that `created_by` holds of what is no person."""

people = Table(
    "people",
    metadata,
    id_column(),
    *created_columns(),
    # What created_by holds of what they do, so it is never given to another.
    Column("name", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False, server_default=""),
    # By which their account at an identity provider is found the first time; in lower case.
    Column("email", Text, unique=True),
    # Of an identity provider; both None for who never came by one.
    Column("issuer", Text),
    Column("subject", Text),
    Column("is_site_admin", Boolean, nullable=False, server_default="false"),
    Column("switched_off_at", DateTime(timezone=True)),
    UniqueConstraint("issuer", "subject", name="people_one_per_subject"),
    CheckConstraint("email = lower(email)", name="email_lower"),
    CheckConstraint("(issuer IS NULL) = (subject IS NULL)", name="issuer_and_subject"),
    CheckConstraint(
        f"name ~ '{NAME}' AND name NOT IN ('local', 'system', 'sweeper', 'worker')", name="name_free"
    ),
)


def insert_person(conn: Connection, **values: object) -> Row[Any]:
    """Insert a person and return the row; `people_name_key` refuses a second one of that name."""
    return conn.execute(insert(people).values(**values).returning(people)).one()


def find_by_name(conn: Connection, name: str) -> Row[Any] | None:
    """Return the person of a name."""
    return conn.execute(select(people).where(people.c.name == name)).one_or_none()


def find_by_subject(conn: Connection, *, issuer: str, subject: str) -> Row[Any] | None:
    """Return the person whom an identity provider knows by a subject."""
    query = select(people).where(people.c.issuer == issuer, people.c.subject == subject)
    return conn.execute(query).one_or_none()


def find_by_email(conn: Connection, email: str) -> Row[Any] | None:
    """Return the person of an e-mail address, which is in lower case."""
    return conn.execute(select(people).where(people.c.email == email)).one_or_none()


def bind(conn: Connection, email: str, *, issuer: str, subject: str) -> Row[Any] | None:
    """Bind the person of an e-mail address to a provider's subject; None where there is none who is free and on."""
    free = update(people).where(
        people.c.email == email, people.c.issuer.is_(None), people.c.switched_off_at.is_(None)
    )
    return conn.execute(free.values(issuer=issuer, subject=subject).returning(people)).one_or_none()


def get(conn: Connection, name: str) -> Row[Any]:
    """Return the person of a name.

    Raises:
        NotFound: `person_unknown`.
    """
    row = find_by_name(conn, name)
    if row is None:
        raise NotFound("person_unknown", "There is no person of this name.")
    return row


def names(conn: Connection, ids: Collection[str]) -> dict[str, str]:
    """Return the names of people by their ids."""
    found = conn.execute(select(people.c.id, people.c.name).where(people.c.id.in_(ids)))
    return {row.id: row.name for row in found}


def list_(conn: Connection) -> Sequence[Row[Any]]:
    """Return everybody, by name."""
    return conn.execute(select(people).order_by(people.c.name)).all()


def change(conn: Connection, person_id: str, *, is_on: bool | None, **values: object) -> Row[Any]:
    """Change a person and return the row; `is_on` switches them on or off, None leaves that."""
    if is_on is not None:
        values["switched_off_at"] = None if is_on else func.clock_timestamp()
    mine = people.c.id == person_id
    query = update(people).where(mine).values(**values).returning(people) if values else None
    return conn.execute(select(people).where(mine) if query is None else query).one()
