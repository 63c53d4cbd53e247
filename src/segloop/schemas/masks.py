"""Bodies about masks and the part of them that a person vouches for."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from segloop.schemas.base import NOTICE, Body, Result

SliceRange = Annotated[list[int], Field(min_length=2, max_length=2)]


class ReviewedRegion(Body):
    """What a person vouches for: slice ranges [first, last] in RAS order, inclusive; labels, null for all."""

    whole: bool = False
    axial: list[SliceRange] = Field(default_factory=list)
    coronal: list[SliceRange] = Field(default_factory=list)
    sagittal: list[SliceRange] = Field(default_factory=list)
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
    notes: list[str] = Field(default_factory=list)
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
