"""Bodies about feedback and its statistics."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from segloop.schemas.base import NOTICE, Body, Result
from segloop.schemas.masks import LabelDifference, ReviewedRegion


class NewFeedback(Body):
    """A verdict on a mask; `corrected` names the correction, or the mask that you corrected."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"verdict": "corrected", "reason": "lower pole missed", "rating": 4, "active_time_s": 95.5}
            ]
        },
    )

    verdict: Literal["accepted", "corrected", "rejected"]
    reason: str = Field(default="", max_length=500)
    notes: str = Field(default="", max_length=5000)
    rating: int | None = Field(default=None, ge=1, le=5)
    active_time_s: float | None = Field(default=None, ge=0, le=10_000_000)
    reviewed: ReviewedRegion | None = None


class Feedback(Result):
    """A verdict with what the correction cost; `original_id` is the mask that corrections began from."""

    id: str
    project_id: str
    volume_id: str
    mask_id: str
    original_id: str
    verdict: str
    reason: str
    notes: str
    rating: int | None
    reviewed: ReviewedRegion | None
    active_time_s: float | None
    voxels_changed: int | None
    dice: float | None
    difference: list[LabelDifference] | None
    created_by: str
    created_at: datetime
    notice: str = NOTICE


class FeedbackCounts(BaseModel):
    """How often each verdict was given; means are null where nothing says them."""

    total: int
    accepted: int
    corrected: int
    rejected: int
    mean_active_time_s: float | None
    mean_voxels_changed: float | None
    mean_dice: float | None
    mean_rating: float | None


class AnnotatorCounts(FeedbackCounts):
    """One person's feedback."""

    created_by: str


class AgeCounts(FeedbackCounts):
    """Feedback up to so many days old and older than the step before; null for the oldest."""

    days: int | None


class LabelCounts(BaseModel):
    """One label of corrected masks: in how many it was changed, by how many voxels in all, and its mean Dice."""

    name: str
    n_corrected: int
    n_changed: int
    voxels_changed: int
    mean_dice: float | None


class FeedbackStatistics(BaseModel):
    """A project's feedback in numbers."""

    overall: FeedbackCounts
    by_annotator: list[AnnotatorCounts]
    by_label: list[LabelCounts]
    by_age: list[AgeCounts]
