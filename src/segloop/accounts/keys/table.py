"""SQL of API keys."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Row,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from segloop.database import Connection, created_columns, id_column, metadata

_now = func.clock_timestamp()

api_keys = Table(
    "api_keys",
    metadata,
    id_column(),
    *created_columns(),
    # None, and then no role: a site admin's key.
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), index=True),
    Column("name", Text, nullable=False),
    # What created_by holds of what it does, so it is never given to another.
    Column("acts_as", Text, nullable=False, unique=True),
    Column("role", Text),
    Column("permissions", ARRAY(Text), nullable=False, server_default="{}"),
    Column("secret_sha256", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
    UniqueConstraint("project_id", "name", name="api_keys_one_per_name", postgresql_nulls_not_distinct=True),
    CheckConstraint("role IN ('viewer', 'annotator', 'reviewer', 'admin')", name="role_known"),
    CheckConstraint("(project_id IS NULL) = (role IS NULL)", name="role_in_a_project"),
)
SHOWN = [column for column in api_keys.c if column.name != "secret_sha256"]


def insert_key(conn: Connection, *, days: int, **values: object) -> Row[Any]:
    """Insert a key that is good for some days, and return the row."""
    expires_at = _now + text("make_interval(days => :days)").bindparams(days=days)
    return conn.execute(insert(api_keys).values(expires_at=expires_at, **values).returning(*SHOWN)).one()


def find_by_id(conn: Connection, key_id: str) -> Row[Any] | None:
    """Return a key, also one that is over, with `is_expired`, and `is_use_old`: whether its last use was noted over a minute ago."""
    minute_ago = _now - text("interval '1 minute'")
    is_use_old = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < minute_ago)
    is_expired = api_keys.c.expires_at <= _now
    query = select(api_keys, is_use_old.label("is_use_old"), is_expired.label("is_expired"))
    return conn.execute(query.where(api_keys.c.id == key_id)).one_or_none()


def note_use(conn: Connection, key_id: str) -> None:
    """Note that a key was used now."""
    conn.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=_now))


def list_(conn: Connection, *, project_id: str | None) -> Sequence[Row[Any]]:
    """Return the keys of a project, or those of no project, newest first, without what is kept of the secrets."""
    query = select(*SHOWN).where(api_keys.c.project_id.is_not_distinct_from(project_id))
    return conn.execute(query.order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc())).all()


def names(conn: Connection, ids: Collection[str]) -> dict[str, str]:
    """Return what keys act as by their ids."""
    found = conn.execute(select(api_keys.c.id, api_keys.c.acts_as).where(api_keys.c.id.in_(ids)))
    return {row.id: row.acts_as for row in found}


def find(conn: Connection, key_id: str, *, project_id: str | None) -> Row[Any] | None:
    """Return a key of a project, or of none."""
    query = select(*SHOWN).where(
        api_keys.c.id == key_id, api_keys.c.project_id.is_not_distinct_from(project_id)
    )
    return conn.execute(query).one_or_none()


def revoke(conn: Connection, key_id: str) -> bool:
    """Revoke a key for good; False where it was already."""
    wanted = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    return conn.execute(wanted.values(revoked_at=_now)).rowcount > 0


def list_made_by(conn: Connection, creator: str) -> Sequence[Row[Any]]:
    """Return the keys that somebody made and nobody revoked, without what is kept of the secrets."""
    query = select(*SHOWN).where(api_keys.c.created_by == creator, api_keys.c.revoked_at.is_(None))
    return conn.execute(query.order_by(api_keys.c.id)).all()


def revoke_made_by(conn: Connection, creator: str, *, project_id: str | None) -> Sequence[Row[Any]]:
    """Revoke the keys that somebody made, in a project or (None) all of them; return (id, project_id) of each."""
    wanted = update(api_keys).where(api_keys.c.created_by == creator, api_keys.c.revoked_at.is_(None))
    if project_id is not None:
        wanted = wanted.where(api_keys.c.project_id == project_id)
    return conn.execute(wanted.values(revoked_at=_now).returning(api_keys.c.id, api_keys.c.project_id)).all()
