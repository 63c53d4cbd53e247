"""Write down what became of a job, and tell webhooks where it is over."""

from segloop.database import Connection
from segloop.jobs import table
from segloop.jobs.job import ENDED, Job
from segloop.webhooks.event import Event
from segloop.webhooks.publish import publish


def tell(conn: Connection, job: Job, *, reason: str) -> None:
    """Append one line to the job's history, and publish `job.<state>` when it has ended, in the caller's transaction."""
    table.add_event(conn, job, reason=reason)
    if job.state not in ENDED:
        return
    data = {
        "job_id": job.id,
        "project_id": job.project_id,
        "kind": job.kind,
        "state": job.state,
        "volume_id": job.volume_id,
        "model_version_id": job.model_version_id,
        "mask_id": job.mask_id,
        "error_code": job.error_code,
    }
    publish(conn, project_id=job.project_id, event=Event(f"job.{job.state}"), data=data)
