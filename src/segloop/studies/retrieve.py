"""Ask for the segmentation of a series that lies in a PACS or with a gateway: one call, whatever is here already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from segloop.database import Connection
from segloop.identities.store import IdentityStore
from segloop.jobs.job import Job, Priority
from segloop.masks.hold import hold
from segloop.masks.request import request as request_segmentation
from segloop.projects import table as projects_table
from segloop.studies import table
from segloop.studies.orders import order as orders
from segloop.studies.whole import require_whole
from segloop.volumes import table as volumes_table
from segloop.volumes.upload import hash_uid


@dataclass(frozen=True)
class InPacs:
    """A series at a gateway's source, by its UIDs; with `refresh` it is fetched even if it is here already."""

    source: str
    study_uid: str
    series_uid: str
    refresh: bool = False


def segment_from_pacs(
    conn: Connection,
    identities: IdentityStore | None,
    series: InPacs,
    *,
    project: Any,
    actor: str,
    pseudonym_key: str,
    destinations: Sequence[str],
    **wanted: Any,
) -> tuple[Job, bool]:
    """Have a series fetched and segmented, and its results sent to some of the gateway's destinations.

    A series that is here already is not fetched again, unless its results are to be sent somewhere: the gateway needs it
    to deliver. While a gateway still receives it, what is here may be a part of it, so it is fetched as one that isn't here. `wanted` are the further arguments of `masks.request.request`. Returns (job, whether it is new).

    Raises:
        NotFound: `source_unknown`, `destination_unknown`.
        Conflict: `dicom_not_set_up`, and whatever asking for a segmentation raises.
    """
    gateway = orders.gateway_of_peer(conn, series.source, kind="sources")
    for name in destinations:
        orders.gateway_of_peer(conn, name, kind="destinations")
    key = hash_uid(series.series_uid, pseudonym_key)
    known = volumes_table.find_by_series(conn, project_id=project.id, series_key=key)
    if known is not None and not series.refresh and not table.is_coming(conn, series_key=key):
        job, new = request_segmentation(
            conn, project_id=project.id, actor=actor, volume_id=known.id, **wanted
        )
        fetch = bool(destinations)
    else:
        job, new = hold(
            conn,
            project_id=project.id,
            actor=actor,
            reference=f"series/{key}",
            received_series_id=None,
            **_without_again(wanted),
        )
        fetch = new or bool(destinations)
    if fetch:
        payload = {
            "source": series.source,
            "study_uid": series.study_uid,
            "series_uid": series.series_uid,
            "project": project.slug,
            "job_id": job.id,
            "priority": _priority(job),
            "destinations": list(destinations),
        }
        orders.place(
            conn,
            identities,
            "retrieve",
            payload,
            gateway=gateway,
            actor=actor,
            project_id=project.id,
            job_id=job.id,
        )
    return job, new


def segment_received(
    conn: Connection,
    identities: IdentityStore | None,
    received_series_id: str,
    *,
    project: Any,
    actor: str,
    **wanted: Any,
) -> tuple[Job, bool]:
    """Have a series segmented that a gateway has: at once where its volume is here, else as soon as it is.

    A series that no rule took, or that failed, is routed into the project. Returns (job, whether it is new).

    Raises:
        NotFound: `series_unknown`.
        Conflict: `series_grew` where it is a part, `dicom_not_set_up`, and whatever asking for a segmentation raises.
    """
    row = table.get_series(conn, received_series_id, lock=True)
    require_whole(conn, row)
    if row.volume_id is not None:
        volume = volumes_table.get(conn, row.volume_id)
        if volume.project_id == project.id:
            return request_segmentation(
                conn, project_id=project.id, actor=actor, volume_id=volume.id, **wanted
            )
    job, new = hold(
        conn,
        project_id=project.id,
        actor=actor,
        reference=f"received/{row.id}",
        received_series_id=row.id,
        **_without_again(wanted),
    )
    if new and row.stage in ("failed", "ignored", "done"):
        route_for_job(conn, identities, row, job, actor=actor)
    return job, new


def route_for_job(
    conn: Connection, identities: IdentityStore | None, series: Any, job: Job, *, actor: str
) -> None:
    """Have a series brought into the project of a job that waits for it, which the gateway then follows.

    Where it is another project's, that one's stays as it is, and the results are sent nowhere: its destinations are not this one's.
    """
    payload = {
        "series": series.key,
        "project": projects_table.get(conn, job.project_id).slug,
        "priority": _priority(job),
        "destinations": None if series.project_id == job.project_id else [],
        "job_id": job.id,
    }
    orders.place(
        conn,
        identities,
        "route",
        payload,
        gateway=series.gateway,
        actor=actor,
        project_id=job.project_id,
        received_series_id=series.id,
        job_id=job.id,
    )


def _priority(job: Job) -> str:
    return "stat" if job.priority == Priority.STAT else "routine"


def _without_again(wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if name != "again"}
