"""Look at whose a received series is: also one that was refused, which has no volume to ask about."""

from collections.abc import Collection, Sequence

from segloop.accounts.actor import Actor
from segloop.audit.record import record
from segloop.database import Connection
from segloop.identities.store import IdentityStore
from segloop.imaging.dicom.identity import Identity
from segloop.studies import table
from segloop.volumes import table as volumes_table


def look(
    conn: Connection, identities: IdentityStore | None, series_ids: Sequence[str], *, actor: Actor
) -> dict[str, Identity | None]:
    """Return whose series these are, by series; each one shown is an audit event of its own; None for one that can't be read.

    Left out are series that are not there, of which nothing is kept, or in whose project (or in none) the actor may not know.
    """
    rows = [
        row
        for row in table.list_by_ids(conn, series_ids)
        if row.source_key is not None and actor.may("identity", row.project_id)
    ]
    if identities is None or not rows:
        return {}
    known = identities.identities({row.source_key for row in rows})
    shown = [row for row in rows if row.source_key in known]
    for row in shown:
        if known[row.source_key] is None:
            continue
        record(
            conn,
            actor=actor.name,
            action="identity.viewed",
            object_type="received_series",
            object_id=row.id,
            project_id=row.project_id,
        )
    return {row.id: known[row.source_key] for row in shown}


def look_at_volumes(
    conn: Connection, identities: IdentityStore | None, volume_ids: Collection[str], *, actor: Actor
) -> dict[str, Identity | None]:
    """Return whose CTs these are by what a gateway said of the series that they came as, and record it as a look at the volume.

    For volumes that the store has headers of and no text: what a gateway knows is better than nothing.
    """
    found: dict[str, Identity | None] = {}
    allowed = {
        row.id for row in volumes_table.list_by_ids(conn, volume_ids) if actor.may("identity", row.project_id)
    }
    rows = table.list_of_volumes(conn, allowed) if allowed and identities is not None else []
    if identities is None or not rows:
        return found
    known = identities.identities({row.source_key for row in rows})
    for row in rows:
        if row.volume_id in found or row.source_key not in known:
            continue
        found[row.volume_id] = known[row.source_key]
        if known[row.source_key] is not None:
            record(
                conn,
                actor=actor.name,
                action="identity.viewed",
                object_type="volume",
                object_id=row.volume_id,
                project_id=row.project_id,
            )
    return found
