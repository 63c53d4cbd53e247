"""Bodies about jobs of every kind."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from segloop.model_versions.profiles import Profile
from segloop.schemas.base import Body, Result


class DicomwebReference(Body):
    """A series in a PACS, by the name that a gateway's configuration gives the PACS, and its UIDs."""

    source: str = Field(max_length=200)
    study_uid: str = Field(pattern=r"^[0-9.]{1,64}$")
    series_uid: str = Field(pattern=r"^[0-9.]{1,64}$")
    refresh: bool = Field(
        default=False, description="Fetch it though it is here already: it may have got more images since."
    )


class JobInput(Body):
    """What a job works on; a segmentation names its CT by exactly one of the first four."""

    volume_id: str | None = None
    upload_id: str | None = Field(
        default=None,
        description="An upload whose parts have all arrived; it is completed if it has not been.",
    )
    dicomweb: DicomwebReference | None = Field(
        default=None,
        description="Fetched by a gateway, by whatever way its source is asked (also C-GET, C-MOVE).",
    )
    received_series_id: str | None = Field(
        default=None,
        description="A series that a gateway has, also one that is still coming in or was refused.",
    )
    model_version_id: str | None = Field(default=None, description="Only for kind evaluate: the candidate.")


class JobParameters(Body):
    """How a job works; for a volume that is not in HU, a confirmation or an offset is required and recorded."""

    model_version_id: str | None = None
    priority: Literal["stat", "routine"] = "routine"
    profile: Profile = "exact"
    hu_confirmed: bool = False
    hu_offset: float | None = Field(default=None, ge=-32768, le=32768)
    again: bool = Field(
        default=False,
        description="Only for kind segment: do it once more where the same work has succeeded. One that waits or runs is "
        "given all the same.",
    )
    destinations: list[str] = Field(
        default_factory=list,
        max_length=20,
        description="Only with input.dicomweb: where the gateway sends the results.",
    )
    queue: Literal["segmentation", "training"] | None = Field(
        default=None, description="Only for kind selftest."
    )
    training: Literal["quick_tune", "full_retrain"] = Field(
        default="quick_tune", description="Only for kind train."
    )
    recipe: dict[str, Any] = Field(
        default_factory=dict, description="Only for kind train: what differs from the usual recipe."
    )


class NewJob(Body):
    """The one entry for every kind of work."""

    kind: Literal["segment", "train", "evaluate", "selftest"]
    project_id: str = "default"
    input: JobInput = JobInput()
    parameters: JobParameters = JobParameters()


class JobError(BaseModel):
    """Why a job failed."""

    code: str
    message: str


class JobOut(BaseModel):
    """A job as it stands."""

    id: str
    project_id: str
    kind: str
    queue: str
    state: str
    stage: str
    progress: float
    priority: int
    queue_position: int | None
    time_left_s: float | None
    attempt: int
    failures: int
    interruptions: int
    error: JobError | None
    dead_letter: bool
    cancel_requested: bool
    volume_id: str | None
    model_version_id: str | None
    mask_id: str | None
    parameters: dict[str, Any]
    request_id: str | None
    timings: dict[str, float]
    worker: str | None
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobEvent(Result):
    """One line of a job's history."""

    attempt: int
    state: str
    worker: str | None
    reason: str
    at: datetime
