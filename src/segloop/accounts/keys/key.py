"""Make keys of service accounts, revoke them, and say who comes with one."""

from collections.abc import Collection
from datetime import UTC
from typing import Any

from sqlalchemy import Row

from segloop.accounts import secret
from segloop.accounts.actor import Actor, Kind
from segloop.accounts.keys import table
from segloop.accounts.roles import Role
from segloop.audit.record import record
from segloop.database import Connection, IntegrityError, constraint_of
from segloop.errors import Conflict, NotFound, Unauthorized

PREFIX = "sgk"


class KeyOver(Unauthorized):
    """Somebody comes with a key that is no longer good; `acts_as`, `key_id` and `project_id` are for the record of refusals."""

    def __init__(self, row: Row[Any], code: str, why: str) -> None:
        of = "this installation" if row.project_id is None else "its project"
        super().__init__(code, f"This API key {why}. Ask an admin of {of} for another.")
        self.acts_as, self.key_id, self.project_id = row.acts_as, row.id, row.project_id


def create(
    conn: Connection,
    *,
    name: str,
    project: Row[Any] | None,
    role: Role | None,
    permissions: Collection[str],
    days: int,
    actor: str,
) -> tuple[Row[Any], str]:
    """Insert a key and return (row, the value, which is never shown again); without project and role it is a site admin's.

    Raises:
        Conflict: `key_exists`.
    """
    hidden = secret.new()
    project_id = None if project is None else project.id
    try:
        with conn.begin_nested():
            row = table.insert_key(
                conn,
                project_id=project_id,
                name=name,
                acts_as=f"key:{name}" if project is None else f"key:{name}@{project.slug}",
                role=role,
                permissions=sorted(permissions),
                secret_sha256=secret.digest(hidden),
                days=days,
                created_by=actor,
            )
    except IntegrityError as error:
        if constraint_of(error) not in ("api_keys_one_per_name", "api_keys_acts_as_key"):
            raise
        raise Conflict(
            "key_exists", "There is, or was, a key of this name already; choose another."
        ) from None
    record(
        conn,
        actor=actor,
        action="key.created",
        object_type="api_key",
        object_id=row.id,
        project_id=project_id,
        role=role,
        permissions=sorted(permissions),
        days=days,
    )
    return row, secret.compose(PREFIX, row.id, hidden)


def revoke(conn: Connection, key_id: str, *, project_id: str | None, actor: str) -> None:
    """Revoke a key of a project, or of none; a repeat changes nothing.

    Raises:
        NotFound: `key_unknown`.
    """
    if table.find(conn, key_id, project_id=project_id) is None:
        raise NotFound("key_unknown", "There is no such key.")
    if table.revoke(conn, key_id):
        _record_revoked(conn, key_id, project_id, actor)


def revoke_made_by(conn: Connection, creator: str, *, project_id: str | None = None, actor: str) -> None:
    """Revoke the keys that somebody made, in a project or (None) all of them."""
    for row in table.revoke_made_by(conn, creator, project_id=project_id):
        _record_revoked(conn, row.id, row.project_id, actor)


def _record_revoked(conn: Connection, key_id: str, project_id: str | None, actor: str) -> None:
    record(
        conn,
        actor=actor,
        action="key.revoked",
        object_type="api_key",
        object_id=key_id,
        project_id=project_id,
    )


def resolve(conn: Connection, value: str) -> Actor | None:
    """Return who comes with a key, and note its use; None where there is no such key.

    Raises:
        KeyOver: `key_revoked`, `key_expired`; only to whoever has the key's secret.
    """
    parts = secret.split(PREFIX, value)
    row = None if parts is None else table.find_by_id(conn, parts[0])
    if parts is None or row is None or not secret.matches(parts[1], row.secret_sha256):
        return None
    return _actor(conn, row)


def actor_by_id(conn: Connection, key_id: str) -> Actor | None:
    """Return who a key stands for that was shown before; raises as `resolve` does."""
    row = table.find_by_id(conn, key_id)
    return None if row is None else _actor(conn, row)


def _actor(conn: Connection, row: Row[Any]) -> Actor:
    if row.revoked_at is not None:
        raise KeyOver(row, "key_revoked", "was revoked")
    if row.is_expired:
        raise KeyOver(
            row, "key_expired", f"expired on {row.expires_at.astimezone(UTC):%Y-%m-%d at %H:%M UTC}"
        )
    if row.is_use_old:
        table.note_use(conn, row.id)
    may = frozenset(row.permissions)
    if row.project_id is None:
        return Actor(row.acts_as, Kind.KEY, row.id, is_site_admin=True, site_permissions=may)
    return Actor(
        row.acts_as,
        Kind.KEY,
        row.id,
        roles={row.project_id: Role(row.role)},
        permissions={row.project_id: may},
    )
