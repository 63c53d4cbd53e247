"""Bodies about versions: what they are, how they change stage, where they come from."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from segloop.schemas.base import Body, Result, example
from segloop.schemas.evaluations import Comparison
from segloop.schemas.training_runs import RunCase, TrainingRunSummary


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


class StageChange(Result):
    """One change of a version's stage: by whom and why; `is_override` where cases were too few."""

    stage: str
    reason: str
    comparison_id: str | None
    is_override: bool
    created_by: str
    created_at: datetime


class VersionLineage(BaseModel):
    """Where a version comes from: its ancestors (nearest first), the run that made it, its cases and its history."""

    version: ModelVersion
    ancestors: list[ModelVersion]
    run: TrainingRunSummary | None
    cases: list[RunCase]
    history: list[StageChange]
    comparisons: list[Comparison]
    card: str = Field(description="The model card, in Markdown, made from what is on record now.")


class Rejection(Body):
    """Why a version is rejected."""

    model_config = example({"reason": "misses the larynx in thin patients"})

    reason: str = Field(min_length=1, max_length=2000)
