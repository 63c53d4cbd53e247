"""Take what a gateway reports of a series: what anybody may know into a row, whose it is into the identity store."""

import secrets
from collections.abc import Mapping
from typing import Any

from segloop.audit.record import record
from segloop.database import Connection, Engine, transaction
from segloop.errors import NotFound
from segloop.identities.store import IdentityStore
from segloop.imaging.dicom.identity import Identity
from segloop.jobs import table as jobs_table
from segloop.jobs.held import table as held_jobs
from segloop.masks import hold
from segloop.masks import table as masks_table
from segloop.projects import table as projects_table
from segloop.studies import retrieve, table, whole
from segloop.studies.orders import table as orders_table
from segloop.volumes import table as volumes_table
from segloop.volumes.upload import hash_uid
from segloop.webhooks.event import Event
from segloop.webhooks.publish import publish


def take(
    engine: Engine,
    identities: IdentityStore | None,
    report: Mapping[str, Any],
    *,
    gateway: str,
    key: str,
    actor: str,
    pseudonym_key: str,
) -> None:
    """Record a report of a series; the same report again changes nothing.

    Each delivery that newly failed is published as `delivery.failed`, and each that ended is recorded as `delivery.ended`.

    `report` has the fields of `schemas.SeriesReport`.

    Raises:
        NotFound: `gateway_unknown`, `volume_unknown`, `job_unknown` or `mask_unknown`.
    """
    values = dict(report)
    given = values.pop("identity")
    identity = None if given is None else Identity.from_dict(given)
    source_key: str | None = None
    with transaction(engine) as conn:
        table.require_gateway(conn, gateway)
        before = table.find_series(conn, gateway=gateway, key=key)
        values["project_id"] = _project(conn, values.pop("project"))
    if identity is not None:
        values["study_key"] = hash_uid(identity.study_uid, pseudonym_key)
        values["series_key"] = hash_uid(identity.series_uid, pseudonym_key)
        if identities is not None and not _is_kept(before, project_id=values["project_id"]):
            # First whose it is, then the row that names it: what nothing names is swept, as is what another project saw.
            source_key = secrets.token_hex(16)
            identities.save(
                None,
                identity=identity,
                source_key=source_key,
                project_id=values["project_id"],
                actor=actor,
            )
    with transaction(engine) as conn:
        before = table.find_series(conn, gateway=gateway, key=key, lock=True)
        _check(conn, values)
        table.save_series(conn, **values, gateway=gateway, key=key, created_by=actor, source_key=source_key)
        row = table.find_series(conn, gateway=gateway, key=key)
        assert row is not None
        if source_key is not None:
            table.set_source_key(conn, row.id, source_key)
        _announce(conn, row, before)
        _record_ended(conn, row, before, actor=actor)
        _tell_held_jobs(conn, identities, row, actor=actor)


def _tell_held_jobs(conn: Connection, identities: IdentityStore | None, row: Any, *, actor: str) -> None:
    """Let go the jobs that wait for a series once its volume is in their project, and refuse them where it fails.

    A series that no rule takes is routed for them. While that is asked for, what is said of the series is of the time before.
    Those that wait for a part of a series wait for all of it, and one that an entry was begun for waits for that one.
    """
    if row.job_id is not None:
        held_jobs.wait_for_series(conn, row.job_id, received_series_id=row.id)
    row = whole.let_wait_for_whole(conn, row)
    if row is None:
        return
    waiting = held_jobs.list_waiting(conn, received_series_id=row.id)
    if not waiting or orders_table.is_open(conn, received_series_id=row.id, kind="route"):
        return
    for job_id in waiting:
        job = jobs_table.get(conn, job_id)
        if row.volume_id is not None:
            if volumes_table.get(conn, row.volume_id).project_id == job.project_id:
                hold.release(conn, job_id, volume_id=row.volume_id)
            elif row.stage in ("done", "failed", "ignored"):  # the other project is through with it
                retrieve.route_for_job(conn, identities, row, job, actor=actor)
        elif row.stage == "failed":
            hold.refuse(conn, job_id, code=row.code, message=row.message)
        elif row.stage == "ignored":
            retrieve.route_for_job(conn, identities, row, job, actor=actor)


def _is_kept(before: Any, *, project_id: str | None) -> bool:
    """Say whether the identity store has whose a series is for those who see it: mostly a project is known only once it is whole."""
    return before is not None and before.source_key is not None and before.project_id == project_id


def _project(conn: Connection, slug: str) -> str | None:
    try:
        return str(projects_table.get(conn, slug).id) if slug else None
    except NotFound:
        return None


def _check(conn: Connection, values: Mapping[str, Any]) -> None:
    for one in values["deliveries"]:
        if one["mask_id"] is not None:
            masks_table.get(conn, one["mask_id"])
    for name, get in (
        ("volume_id", volumes_table.get),
        ("job_id", jobs_table.get),
        ("mask_id", masks_table.get),
    ):
        if values[name] is not None:
            get(conn, values[name])


def _record_ended(conn: Connection, row: Any, before: Any, *, actor: str) -> None:
    """Record each delivery that has ended since the last report: which mask went where as what, or did not, and when."""
    told = set(map(_ending, [] if before is None else before.deliveries))
    for one in row.deliveries:
        if one["state"] != "waiting" and _ending(one) not in told:
            record(
                conn,
                actor=actor,
                action="delivery.ended",
                object_type="received_series",
                object_id=row.id,
                project_id=row.project_id,
                **{name: one.get(name) for name in _ENDING},
            )


def _ending(delivery: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(delivery.get(name) for name in _ENDING)


_ENDING = ("destination", "form", "state", "code", "mask_id", "ended_at")


def _announce(conn: Connection, row: Any, before: Any) -> None:
    """Publish each delivery that has failed for good and had not when it was reported last."""
    known = [] if before is None else before.deliveries
    failed = {(one["destination"], one["form"]) for one in known if one["state"] == "failed"}
    for one in row.deliveries:
        if one["state"] == "failed" and (one["destination"], one["form"]) not in failed and row.project_id:
            data = {
                "received_series_id": row.id,
                "project_id": row.project_id,
                "job_id": row.job_id,
                "mask_id": row.mask_id,
                "destination": one["destination"],
                "form": one["form"],
                "error_code": one["code"],
            }
            publish(conn, project_id=row.project_id, event=Event.DELIVERY_FAILED, data=data)
