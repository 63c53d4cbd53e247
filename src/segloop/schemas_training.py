"""Bodies of the API about the learning loop."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from segloop.schemas import NOTICE, Body, ModelVersion, Result, ReviewedRegion

Kind = Literal["quick_tune", "full_retrain"]


def _example(body: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [body]})


class MarginBody(Body):
    """How much worse a label may be on average, in units of each metric (0 to 1)."""

    model_config = _example({"dice": 0.01, "nsd": 0.02})

    dice: float = Field(default=0.01, gt=0, lt=1)
    nsd: float = Field(default=0.02, gt=0, lt=1)


class GateBody(Body):
    """What a candidate must show; the meaning of each value is the protocol's."""

    model_config = _example({"default_margin": {"dice": 0.01, "nsd": 0.02}, "minimum_patients": 20})

    default_margin: MarginBody | None = None
    margins: dict[str, MarginBody] | None = None
    minimum_patients: int | None = Field(default=None, ge=2, le=10_000)
    minimum_corrected: int | None = Field(default=None, ge=2, le=10_000)
    alpha: float | None = Field(default=None, gt=0, lt=0.5)
    catastrophic_drop: float | None = Field(default=None, gt=0, le=1)
    calibration_margin: float | None = Field(default=None, ge=0, le=1)
    runtime_ratio: float | None = Field(default=None, ge=1, le=100)


class PolicyChange(Body):
    """Values of the training policy to change; what is left out stays."""

    model_config = _example({"minimum_corrections": 10, "automatic": True, "gate": {"minimum_patients": 20}})

    minimum_corrections: int | None = Field(default=None, ge=1, le=100_000)
    automatic: bool | None = None
    automatic_kind: Kind | None = None
    automatic_promotion: bool | None = None
    validation_share: float | None = Field(default=None, ge=0, lt=1)
    test_share: float | None = Field(default=None, ge=0, lt=1)
    recipes: dict[Kind, dict[str, Any]] | None = None
    gate: GateBody | None = None


class Policy(BaseModel):
    """A project's training policy; version 0 is what holds while nobody has changed it."""

    version: int
    minimum_corrections: int
    automatic: bool
    automatic_kind: Kind
    automatic_promotion: bool
    validation_share: float
    test_share: float
    recipes: dict[str, dict[str, Any]]
    gate: dict[str, Any]


class LearningState(BaseModel):
    """How far a project's corrections are from a retraining, and what could be tested on."""

    n_cases: int = Field(description="Volumes with a mask that somebody vouched for.")
    n_usable: int = Field(description="Of them those that can teach something.")
    n_new: int = Field(
        description="Of those, what production has not learned from, test patients apart: a person may retrain on it."
    )
    n_counting: int = Field(description="New since the last run: what an automatic retraining counts.")
    n_test_patients: int
    n_frozen_cases: int = Field(description="Test cases with dense labels.")
    n_corrected_cases: int = Field(description="Held-back cases that people had to correct.")
    is_due: bool
    active_run_id: str | None


class TrainingCase(BaseModel):
    """A case as training sees it; `why_not` says in words why it can't teach anything yet."""

    volume_id: str
    mask_id: str
    patient_id: str
    case_reference: str
    origin: str
    decided_by: str
    decided_at: datetime
    is_new: bool
    is_dense: bool
    is_reference: bool = Field(
        description="Fit for tests: dense, and not a version's output accepted as it is."
    )
    is_test: bool
    why_not: str | None


class NewTestPatients(Body):
    """Patients to freeze for tests for good, named by volumes of theirs."""

    model_config = _example({"volume_ids": ["019ab0c2-7b1e-7c8e-9d9a-3a3f6a0f2c11"]})

    volume_ids: list[str] = Field(min_length=1, max_length=1000)


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


class LabelFigure(BaseModel):
    """One label of one version on the frozen test cases: mean over patients and its 95% bootstrap interval."""

    name: str
    metric: Literal["dice", "nsd", "hd95_mm", "volume_difference_ml"]
    n_patients: int
    mean: float | None
    low: float | None
    high: float | None


class VersionFigures(BaseModel):
    """What was measured of a version, newest evaluation; figures compare between versions of the same `cases_sha256`."""

    model_version_id: str
    number: int
    stage: str
    evaluated_at: datetime
    cases_sha256: str
    n_frozen: int
    n_corrected: int
    labels: list[LabelFigure]


class Comparison(Result):
    """The gate's verdict on a candidate beside the version that was in production then."""

    id: str
    candidate_id: str
    production_id: str | None
    outcome: Literal["promote", "reject", "not_enough_cases"]
    decision: dict[str, Any]
    created_by: str
    created_at: datetime
    is_current: bool = Field(
        description="Against the version in production now, and the newest of these two."
    )


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

    model_config = _example({"reason": "misses the larynx in thin patients"})

    reason: str = Field(min_length=1, max_length=2000)
