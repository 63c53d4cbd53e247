"""Bodies about retrainings."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from segloop.schemas.base import NOTICE, Result
from segloop.schemas.masks import ReviewedRegion


class EpochRecord(BaseModel):
    """One finished epoch; Dice per label over the validation patches, null where a label did not occur."""

    epoch: int
    n_epochs: int
    train_loss: float
    validation_loss: float
    dice: dict[str, float | None]
    learning_rate: float
    seconds: float


class TrainingRunSummary(Result):
    """One retraining; its state, stage and progress are those of its job."""

    id: str
    project_id: str
    kind: str
    trigger: str
    job_id: str
    state: str
    stage: str
    progress: float
    attempt: int
    parent_id: str | None
    version_id: str | None
    error_code: str | None
    error_message: str | None
    cancel_requested_at: datetime | None
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    checkpoint_at: datetime | None


class RunCase(Result):
    """A case of a run: where it went and why."""

    volume_id: str
    case_reference: str
    mask_id: str
    patient_id: str
    origin: str
    part: str
    why: str
    is_new: bool
    reviewed: ReviewedRegion
    score: float | None
    score_reason: str | None


class TrainingRun(TrainingRunSummary):
    """A retraining with its recipe, curves, log and cases; `remaining_s` is the trainer's own estimate."""

    policy: dict[str, Any]
    recipe: dict[str, Any]
    epochs: list[EpochRecord]
    iteration: int | None
    n_iterations: int | None
    remaining_s: float | None
    log: str
    cases: list[RunCase]
    notice: str = NOTICE
