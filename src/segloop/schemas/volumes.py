"""Bodies about CT volumes, and the tickets to contents."""

from datetime import datetime
from typing import Annotated

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field

from segloop.schemas.base import Result


def _is_there(value: object) -> bool:
    """Say whether a row names its headers; an answer of the API says so itself."""
    return value if isinstance(value, bool) else value is not None


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
    is_dicom: Annotated[bool, BeforeValidator(_is_there)] = Field(
        validation_alias=AliasChoices("is_dicom", "source_key"),
        description="Whether it came as DICOM, so that its masks go back as DICOM.",
    )
    notes: list[str] = Field(
        description="Of a volume that came as DICOM: what a person should know, as codes or sentences."
    )
    created_by: str
    created_at: datetime


class Ticket(BaseModel):
    """A short-lived key to the content of one object."""

    ticket: str
    expires_at: datetime
