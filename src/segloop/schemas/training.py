"""Bodies about the cases that a project could train and test on."""

from datetime import datetime

from pydantic import BaseModel, Field

from segloop.schemas.base import Body, example


class LearningState(BaseModel):
    """How far a project's corrections are from a retraining, and what could be tested on."""

    n_cases: int = Field(description="Volumes with a mask that somebody vouched for.")
    n_usable: int = Field(description="Of them those that can teach something.")
    n_new: int = Field(
        description="Of those, what production has not learned from, test patients apart: a person may retrain on it."
    )
    n_counting: int = Field(
        description="New since the last run that gave a candidate. By itself a retraining starts on so many only if no run "
        "took them up, however it ended; `is_due` says so."
    )
    n_test_patients: int
    n_validating: int = Field(
        description="Usable cases whose patients validate: a run watches itself on them and learns nothing from them."
    )
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
    is_validation: bool = Field(
        description="Its patient validates: looked at in training, never learned from."
    )
    why_not: str | None


class NewTestPatients(Body):
    """Patients to freeze for tests for good, named by volumes of theirs."""

    model_config = example({"volume_ids": ["019ab0c2-7b1e-7c8e-9d9a-3a3f6a0f2c11"]})

    volume_ids: list[str] = Field(min_length=1, max_length=1000)
