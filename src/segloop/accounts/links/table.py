"""SQL of one-time links."""

from datetime import datetime

from sqlalchemy import Column, DateTime, ForeignKey, Table, Text, Uuid, delete, func, insert, text, update

from segloop.database import Connection, created_columns, id_column, metadata

_now = func.clock_timestamp()

sign_in_links = Table(
    "sign_in_links",
    metadata,
    id_column(),
    *created_columns(),
    Column("person_id", Uuid(as_uuid=False), ForeignKey("people.id"), nullable=False),
    Column("code_sha256", Text, nullable=False, unique=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
)


def insert_link(conn: Connection, *, lifetime_s: int, **values: object) -> datetime:
    """Insert a link and return until when it opens."""
    expires_at = _now + text("make_interval(secs => :s)").bindparams(s=lifetime_s)
    made = insert(sign_in_links).values(expires_at=expires_at, **values)
    found: datetime = conn.execute(made.returning(sign_in_links.c.expires_at)).scalar_one()
    return found


def use(conn: Connection, code_sha256: str) -> str | None:
    """Use a link up and return whose it is; None where it was used, is over, or never was."""
    links = sign_in_links.c
    fresh = update(sign_in_links).where(
        links.code_sha256 == code_sha256, links.used_at.is_(None), links.expires_at > _now
    )
    found = conn.execute(fresh.values(used_at=_now).returning(links.person_id)).scalar_one_or_none()
    return None if found is None else str(found)


def use_all(conn: Connection, person_id: str) -> None:
    """Use up all links of a person that nobody opened."""
    unused = sign_in_links.c.person_id == person_id, sign_in_links.c.used_at.is_(None)
    conn.execute(update(sign_in_links).where(*unused).values(used_at=_now))


def drop_old(conn: Connection, *, days: int) -> int:
    """Delete links that were over some days ago; return how many."""
    old = sign_in_links.c.expires_at < _now - text("make_interval(days => :days)").bindparams(days=days)
    return conn.execute(delete(sign_in_links).where(old)).rowcount
