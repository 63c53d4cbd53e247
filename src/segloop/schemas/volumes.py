"""Bodies about CT volumes, and the tickets to contents."""

from datetime import datetime

from pydantic import BaseModel

from segloop.schemas.base import Result


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
    created_by: str
    created_at: datetime


class Ticket(BaseModel):
    """A short-lived key to the content of one object."""

    ticket: str
    expires_at: datetime
