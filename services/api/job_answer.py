"""A job as the API shows it, with its version (ETag) and when to look again."""

from dataclasses import dataclass
from hashlib import sha256

from fastapi import Response

from segloop import schemas
from segloop.database import Connection
from segloop.jobs.job import ENDED, Job, JobState
from segloop.jobs.statistics import table as statistics
from services.api.content import names
from services.api.watch import lasting

POLL_RUNNING_S, POLL_QUEUED_S, POLL_LONGEST_S = 1, 2, 30
PLACES_PER_POLL_S = 50
"""Who is far behind in the queue is told to ask less often: a second more for so many places."""


@dataclass(frozen=True)
class Answer:
    """A job, the body that shows it, and its strong ETag: of the job, and of the body, which also tells its place in the queue."""

    job: Job
    body: bytes
    job_tag: str
    tag: str
    poll_s: int

    def is_known(self, if_none_match: str | None) -> bool:
        """Say whether the client has exactly this."""
        return if_none_match is not None and names(if_none_match, self.tag)

    def is_news(self, if_none_match: str) -> bool:
        """Say whether the job itself, and not only its place in the queue, is other than what the client has."""
        return self.job_tag not in if_none_match

    def response(self, if_none_match: str | None) -> Response:
        """Return 200, or 304 where the client has it; both say when to look again while the job isn't over."""
        headers = {"ETag": self.tag, "Cache-Control": "private, no-cache"}
        if self.job.state not in ENDED:
            headers["Retry-After"] = str(self.poll_s)
        if self.is_known(if_none_match):
            return Response(status_code=304, headers=headers)
        return Response(self.body, media_type="application/json", headers=headers)


def answer(conn: Connection, job: Job) -> Answer:
    """Return the answer that shows a job."""
    shown = present(conn, job)
    body = shown.model_dump_json().encode()
    job_tag = sha256(repr(lasting(job)).encode()).hexdigest()[:32]
    poll_s = POLL_RUNNING_S
    if job.state is JobState.QUEUED:
        poll_s = min(POLL_QUEUED_S + (shown.queue_position or 0) // PLACES_PER_POLL_S, POLL_LONGEST_S)
    return Answer(job, body, job_tag, f'"{job_tag}-{sha256(body).hexdigest()[:32]}"', poll_s)


def present(conn: Connection, job: Job) -> schemas.JobOut:
    """Return the job as the API shows it; time left is from the median of recent runs of its kind."""
    position = statistics.queue_position(conn, job) if job.state is JobState.QUEUED else None
    typical_s = (
        None
        if job.state in ENDED
        else statistics.typical_run_s(conn, kind=job.kind, project_id=job.project_id)
    )
    left_s = None
    if typical_s is not None:
        left_s = typical_s * position if position else typical_s * (1 - job.progress)
    error = (
        None
        if job.error_code is None
        else schemas.JobError(code=job.error_code, message=job.error_message or "")
    )
    values = {name: getattr(job, name) for name in schemas.JobOut.model_fields if hasattr(job, name)}
    return schemas.JobOut(
        **values,
        queue_position=position,
        time_left_s=left_s,
        error=error,
        cancel_requested=job.cancel_requested_at is not None,
    )
