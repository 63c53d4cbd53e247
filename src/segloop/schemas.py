"""Bodies of HTTP requests and responses, shared by the API and the UI's client."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from segloop.model_versions.profiles import Profile

NOTICE = "Research use only. Not a medical device. AI-generated."

T = TypeVar("T")


class Body(BaseModel):
    """A request: unknown fields are refused, so that a typing mistake is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class Result(BaseModel):
    """A response read from a row's attributes."""

    model_config = ConfigDict(from_attributes=True)


class Page(BaseModel, Generic[T]):
    """One page of a list; ask again with `cursor=next_cursor` until it is null."""

    items: list[T]
    next_cursor: str | None = None


class Problem(BaseModel):
    """An RFC 9457 problem document with our stable `code`."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    instance: str


class Label(Body):
    """One label: its index in masks, its name, its colour."""

    index: int = Field(ge=1, le=65535)
    name: str = Field(min_length=1, max_length=100)
    color: str = Field(default="#cccccc", pattern="^#[0-9a-fA-F]{6}$")
    snomed_code: str | None = None


class NewProject(Body):
    """A new project and its first label set."""

    slug: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$", examples=["head-and-neck"])
    name: str = Field(min_length=1, max_length=200)
    labels: list[Label] = []


class Project(Result):
    """One segmentation task."""

    id: str
    slug: str
    name: str
    created_by: str
    created_at: datetime


class NewLabelSet(Body):
    """The next version of a label set: earlier labels stay as they are."""

    labels: list[Label] = Field(min_length=1)


class LabelSetOut(Result):
    """A version of a project's labels; background is always 0."""

    id: str
    project_id: str
    version: int
    labels: list[Label]
    created_at: datetime


class NewUpload(Body):
    """Announces a file that will arrive in parts."""

    filename: str = Field(
        default="",
        max_length=500,
        description="Ignored: content decides, names may hold PHI.",
    )
    size_bytes: int = Field(ge=0)
    purpose: Literal["volume", "mask"] = "volume"
    patient_reference: str | None = Field(default=None, max_length=200)
    case_reference: str | None = Field(default=None, max_length=100)
    volume_id: str | None = None
    mask_kind: Literal["imported", "ground_truth"] = "imported"


class Upload(BaseModel):
    """An upload and the parts that have arrived."""

    id: str
    project_id: str
    purpose: str
    state: str
    size_bytes: int
    part_bytes: int
    n_parts: int
    received: list[int]
    result_id: str | None = None


class Volume(Result):
    """One CT series: shape (x, y, z), affine (row-major 4x4, voxel to world RAS+ mm), HU range."""

    id: str
    project_id: str
    patient_id: str
    case_reference: str
    sha256: str
    size_bytes: int
    shape: list[int]
    affine: list[float]
    spacing_mm: list[float]
    orientation: str
    hu_min: float
    hu_max: float
    is_hu_like: bool
    created_by: str
    created_at: datetime


class JobInput(Body):
    """What a job works on."""

    volume_id: str | None = None
    model_version_id: str | None = Field(default=None, description="Only for kind evaluate: the candidate.")


class JobParameters(Body):
    """How a job works; for a volume that is not in HU, a confirmation or an offset is required and recorded."""

    model_version_id: str | None = None
    priority: Literal["stat", "routine"] = "routine"
    profile: Profile = "exact"
    hu_confirmed: bool = False
    hu_offset: float | None = Field(default=None, ge=-32768, le=32768)
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


SliceRange = Annotated[list[int], Field(min_length=2, max_length=2)]


class ReviewedRegion(Body):
    """What a person vouches for: slice ranges [first, last] in RAS order, inclusive; labels, null for all."""

    whole: bool = False
    axial: list[SliceRange] = []
    coronal: list[SliceRange] = []
    sagittal: list[SliceRange] = []
    labels: list[int] | None = None


class LabelDifference(Body):
    """How one label differs from the parent mask; Dice is null where neither has it."""

    index: int
    name: str
    voxels_added: int
    voxels_removed: int
    dice: float | None


class Mask(Result):
    """A mask on exactly its volume's grid; a correction says how it differs from its parent."""

    id: str
    project_id: str
    volume_id: str
    kind: str
    label_set_id: str
    model_version_id: str | None
    job_id: str | None
    parent_id: str | None
    profile: str | None
    sha256: str
    size_bytes: int
    difference: list[LabelDifference] | None
    reviewed: ReviewedRegion | None
    active_time_s: float | None
    created_by: str
    created_at: datetime
    notice: str = NOTICE


class LabelStatistics(BaseModel):
    """One label of a mask."""

    index: int
    name: str
    color: str
    voxels: int
    volume_ml: float


class MaskStatistics(BaseModel):
    """Voxels and millilitres of every label of the label set."""

    mask_id: str
    labels: list[LabelStatistics]
    notice: str = NOTICE


class ModelVersion(Result):
    """A version in a project's line."""

    id: str
    project_id: str
    number: int
    name: str
    stage: str
    parent_id: str | None
    label_set_id: str
    sha256: str
    size_bytes: int
    orientation: str
    card: str
    details: dict[str, Any]
    created_by: str
    created_at: datetime
    promoted_by: str | None
    promoted_at: datetime | None


class Promotion(Body):
    """Why a version goes into production."""

    reason: str = Field(min_length=3, max_length=2000)


class Ticket(BaseModel):
    """A short-lived key to the content of one object."""

    ticket: str
    expires_at: datetime
