"""What a job is: its kinds, states and the transitions that are allowed."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from segloop.broker import QueueName, TaskName


class JobKind(StrEnum):
    """Kinds of work that `POST /v1/jobs` takes."""

    SEGMENT = "segment"
    SELFTEST = "selftest"
    TRAIN = "train"
    EVALUATE = "evaluate"


class JobState(StrEnum):
    """States of the row; the stage (fetching, predicting ...) is text beside it."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Priority(IntEnum):
    """Lower is sooner."""

    STAT = 0
    ROUTINE = 10


TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    # From queued to an end without having run: a held job, whose CT didn't come or whose work another job did.
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.SUCCEEDED, JobState.FAILED}),
    JobState.RUNNING: frozenset({JobState.QUEUED, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.CANCELLED: frozenset(),
}
ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})

TASKS = {
    JobKind.SEGMENT: TaskName.SEGMENT,
    JobKind.SELFTEST: TaskName.SELFTEST,
    JobKind.TRAIN: TaskName.TRAIN,
    JobKind.EVALUATE: TaskName.EVALUATE,
}
QUEUES = {
    JobKind.SEGMENT: QueueName.SEGMENTATION,
    JobKind.SELFTEST: QueueName.SEGMENTATION,
    JobKind.TRAIN: QueueName.TRAINING,
    JobKind.EVALUATE: QueueName.TRAINING,
}


def bells_of(queue: str, priority: int) -> list[str]:
    """Return the queues whose workers are told of a job: a segmentation that is stat also those kept free for stat."""
    if queue == QueueName.SEGMENTATION and priority <= Priority.STAT:
        return [queue, QueueName.SEGMENTATION_STAT]
    return [queue]


HELD_QUEUE = "retrieval"
"""Where jobs are whose CT is still to come: no queue of the broker, so no worker takes them."""


@dataclass(frozen=True)
class Job:
    """One row of `jobs`; times are UTC, `progress` runs from 0 to 1."""

    id: str
    project_id: str
    kind: JobKind
    queue: str
    state: JobState
    stage: str
    progress: float
    priority: int
    volume_id: str | None
    model_version_id: str | None
    mask_id: str | None
    parameters: dict[str, Any]
    request_id: str | None
    timings: dict[str, float]
    attempt: int
    failures: int
    interruptions: int
    worker: str | None
    lease_expires_at: datetime | None
    cancel_requested_at: datetime | None
    error_code: str | None
    error_message: str | None
    dead_letter: bool
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
