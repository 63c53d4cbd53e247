"""Bodies about comparing two masks."""

from pydantic import BaseModel

from segloop.schemas.base import NOTICE
from segloop.schemas.drafts import LabelAgreement


class Disagreement(BaseModel):
    """A connected piece in which mask a says one label and mask b another; `centre` is a RAS voxel inside it."""

    label_a: int
    label_b: int
    voxels: int
    volume_ml: float
    centre: tuple[int, int, int]


class MaskComparison(BaseModel):
    """How two masks of a volume agree; the largest disagreements first."""

    mask_a: str
    mask_b: str
    tolerance_mm: float
    labels: list[LabelAgreement]
    disagreements: list[Disagreement]
    notice: str = NOTICE
