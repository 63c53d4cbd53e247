"""How times and jobs read to a person."""

from datetime import UTC, datetime

from segloop.schemas import JobOut


def duration(seconds: float) -> str:
    """Return a length of time such as "42 s", "3 min" or "2 h 05 min"."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    if whole < 5400:
        return f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def age(at: datetime, now: datetime | None = None) -> str:
    """Return how long ago a moment was."""
    return f"{duration(max(((now or datetime.now(UTC)) - at).total_seconds(), 0))} ago"


def moment(at: datetime) -> str:
    """Return a moment as text that stays the same however often it is shown."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def job_line(job: JobOut) -> str:
    """Return where a job stands, in one line."""
    if job.state == "queued":
        place = f"Waiting, number {job.queue_position} in the queue" if job.queue_position else "Waiting"
        return f"{place}{_left(job)}"
    if job.state == "running":
        stopping = " · stopping" if job.cancel_requested else ""
        return f"{job.stage.capitalize()} · {job.progress:.0%}{_left(job)}{stopping}"
    if job.state == "failed" and job.error:
        return f"Failed: {job.error.message}"
    return job.state.capitalize()


def _left(job: JobOut) -> str:
    return "" if job.time_left_s is None else f" · about {duration(job.time_left_s)} left"
