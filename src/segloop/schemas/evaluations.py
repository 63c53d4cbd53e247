"""Bodies about what was measured of versions, and the gate's verdicts."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from segloop.schemas.base import Result


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
