"""Look at whose CT a volume is, or look for a patient's: nothing is shown that the audit record does not know of."""

from collections.abc import Sequence

from segloop.accounts.actor import Actor
from segloop.audit.record import record
from segloop.database import Connection
from segloop.identities.store import IdentityStore
from segloop.imaging.dicom.identity import Identity
from segloop.volumes import table

MOST_KEYS, MOST_FOUND = 500, 100
"""How many series a search may find, and how many volumes of them it lists."""


def look(
    conn: Connection, identities: IdentityStore | None, volume_ids: Sequence[str], *, actor: Actor
) -> dict[str, Identity | None]:
    """Return whose CTs these are, by volume, in the order asked for; each one shown is an audit event of its own.

    None for one that can't be read.

    Left out are volumes that are not there, of which nothing is kept, or in whose project the actor may not know.
    """
    rows = {
        row.id: row
        for row in table.list_by_ids(conn, volume_ids)
        if row.source_key is not None and actor.may("identity", row.project_id)
    }
    if identities is None or not rows:
        return {}
    known = identities.identities({row.source_key for row in rows.values()})
    found: dict[str, Identity | None] = {}
    for volume_id in dict.fromkeys(volume_ids):
        row = rows.get(volume_id)
        if row is None or row.source_key not in known:
            continue
        found[volume_id] = known[row.source_key]
        if found[volume_id] is None:
            continue
        record(
            conn,
            actor=actor.name,
            action="identity.viewed",
            object_type="volume",
            object_id=volume_id,
            project_id=row.project_id,
        )
    return found


def search(
    conn: Connection, identities: IdentityStore | None, text: str, *, project_id: str, actor: Actor
) -> tuple[list[str], bool]:
    """Return the volumes of a project whose patient or accession a text names, newest first, and whether these are all.

    The audit event holds which volumes were found, and not for whom they were looked.

    Raises:
        Forbidden: `permission_missing` in this project.
    """
    actor.require_permission("identity", project_id)
    keys: list[str]
    keys, are_all = ([], True) if identities is None else identities.search(project_id, text, limit=MOST_KEYS)
    rows = table.list_by_source_keys(conn, keys, project_id=project_id, limit=MOST_FOUND + 1)
    found = [row.id for row in rows[:MOST_FOUND]]
    record(
        conn,
        actor=actor.name,
        action="identity.searched",
        object_type="project",
        object_id=project_id,
        project_id=project_id,
        volume_ids=found,
    )
    return found, are_all and len(rows) <= MOST_FOUND
