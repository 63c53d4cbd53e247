"""Make people members of projects, change what they are there, and end it."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row

from segloop.accounts.keys import key
from segloop.accounts.keys import table as keys
from segloop.accounts.memberships import table
from segloop.accounts.people import table as people
from segloop.accounts.roles import Role
from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import NotFound


def save(
    conn: Connection, *, project_id: str, name: str, role: Role, permissions: Collection[str], actor: str
) -> Row[Any]:
    """Make the person of a name a member, or change what they are; return them as `table.list_by_project` does.

    Keys that they made and could not make any more are revoked.

    Raises:
        NotFound: `person_unknown`.
    """
    person = people.get(conn, name)
    values = {"role": role, "permissions": sorted(permissions)}
    table.save(conn, project_id=project_id, person_id=person.id, actor=actor, **values)
    _record(conn, "member.saved", project_id, person.id, actor, **values)
    revoke_uncovered_keys(conn, person, actor=actor)
    return next(row for row in table.list_by_project(conn, project_id) if row.person_id == person.id)


def remove(conn: Connection, *, project_id: str, name: str, actor: str) -> None:
    """End a membership: what the person asks for next is refused, and with the project's keys that they made.

    Raises:
        NotFound: `member_unknown`.
    """
    person = people.find_by_name(conn, name)
    if person is None or not table.remove(conn, project_id=project_id, person_id=person.id):
        raise NotFound("member_unknown", "This project has no member of this name.")
    _record(conn, "member.removed", project_id, person.id, actor)
    key.revoke_made_by(conn, person.name, project_id=project_id, actor=actor)


def revoke_uncovered_keys(conn: Connection, person: Row[Any], *, actor: str) -> None:
    """Revoke the keys that a person made and, as what they are now, could not make: only admins do, with permissions of their own."""
    if person.is_site_admin:
        return
    held = {row.project_id: row for row in table.list_by_person(conn, person.id)}
    for one in keys.list_made_by(conn, person.name):
        own = held.get(one.project_id)
        if own is None or own.role != Role.ADMIN or not set(one.permissions) <= set(own.permissions):
            key.revoke(conn, one.id, project_id=one.project_id, actor=actor)


def _record(
    conn: Connection, action: str, project_id: str, person_id: str, actor: str, **detail: object
) -> None:
    record(
        conn,
        actor=actor,
        action=action,
        object_type="person",
        object_id=person_id,
        project_id=project_id,
        **detail,
    )
