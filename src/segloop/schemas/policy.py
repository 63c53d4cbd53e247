"""Bodies about a project's training policy."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from segloop.schemas.base import Body, example

Kind = Literal["quick_tune", "full_retrain"]


class MarginBody(Body):
    """How much worse a label may be on average, in units of each metric (0 to 1)."""

    model_config = example({"dice": 0.01, "nsd": 0.02})

    dice: float = Field(default=0.01, gt=0, lt=1)
    nsd: float = Field(default=0.02, gt=0, lt=1)


class GateBody(Body):
    """What a candidate must show; the meaning of each value is the protocol's."""

    model_config = example({"default_margin": {"dice": 0.01, "nsd": 0.02}, "minimum_patients": 20})

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

    model_config = example({"minimum_corrections": 10, "automatic": True, "gate": {"minimum_patients": 20}})

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
