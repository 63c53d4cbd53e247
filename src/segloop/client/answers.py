"""What the API answers, as far as an integrator needs it; fields that are added later are ignored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ENDED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class Job:
    """A job as it was when it was asked for.

    `state` is queued, running, succeeded, failed or cancelled; `progress` runs from 0 to 1; `error_code` is stable and
    `error_message` is for people.
    """

    id: str
    project_id: str
    kind: str
    state: str
    stage: str
    progress: float
    priority: int
    queue_position: int | None
    time_left_s: float | None
    volume_id: str | None
    model_version_id: str | None
    mask_id: str | None
    error_code: str | None
    error_message: str | None

    @property
    def is_over(self) -> bool:
        """Say whether nothing more will happen by itself."""
        return self.state in ENDED

    @property
    def news(self) -> tuple[str, str, float]:
        """What ends a wait where it changes."""
        return self.state, self.stage, self.progress

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Job":
        """Read the API's JSON."""
        error = answer["error"] or {"code": None, "message": None}
        names = [name for name in cls.__dataclass_fields__ if not name.startswith("error_")]
        values = {name: answer[name] for name in names}
        return cls(**values, error_code=error["code"], error_message=error["message"])


@dataclass(frozen=True)
class Mask:
    """A mask's origin; `notice` is to be shown wherever the mask is."""

    id: str
    volume_id: str
    kind: str
    model_version_id: str | None
    job_id: str | None
    sha256: str
    size_bytes: int
    notice: str

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Mask":
        """Read the API's JSON."""
        return cls(**{name: answer[name] for name in cls.__dataclass_fields__})
