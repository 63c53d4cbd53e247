"""Bodies of the editor's HTTP requests and responses: drafts, comparisons."""

from datetime import datetime

from pydantic import BaseModel, Field

from segloop.schemas import NOTICE, Body, Result


class NewDraft(Body):
    """Opens a draft on a mask, or on nothing (null): then it starts from an empty mask."""

    base_mask_id: str | None = None
    label_set_id: str | None = None


class Head(BaseModel):
    """The last entry of a draft: sequence 0 and 64 zeros before the first."""

    sequence: int
    hash: str


class OtherDraft(BaseModel):
    """Another person's open draft of the same volume."""

    draft_id: str
    created_by: str
    updated_at: datetime


class Draft(Result):
    """A person's unfinished edit."""

    id: str
    project_id: str
    volume_id: str
    base_mask_id: str | None
    label_set_id: str
    state: str
    created_by: str
    created_at: datetime
    updated_at: datetime
    head: Head
    mask_id: str | None
    others: list[OtherDraft]
    max_entry_bytes: int


class EntryOut(BaseModel):
    """One entry; its body is base64 of the runs, or of a reviewed region's JSON."""

    sequence: int
    operation: str
    label: int
    hash: str
    parent_hash: str
    body: str
    created_by: str
    created_at: datetime


class EntryPage(BaseModel):
    """Entries in order; ask again with `after=next_after` until it is null."""

    items: list[EntryOut]
    next_after: int | None


class Finalization(Body):
    """Which edits become the mask: the head that the person saw, and how long they worked."""

    sequence: int = Field(ge=0)
    hash: str = Field(pattern="^[0-9a-f]{64}$")
    active_time_s: float | None = Field(default=None, ge=0, le=10_000_000)


class LabelAgreement(BaseModel):
    """One label in two masks; null is what isn't defined, such as Dice where both lack it or HD95 where one does."""

    index: int
    name: str
    color: str
    dice: float | None
    nsd: float | None
    hd95_mm: float | None
    volume_ml_a: float
    volume_ml_b: float
    voxels_only_a: int
    voxels_only_b: int


class Disagreement(BaseModel):
    """A connected piece in which mask a says one label and mask b another; `centre` is a RAS voxel inside it."""

    label_a: int
    label_b: int
    voxels: int
    volume_ml: float
    centre: tuple[int, int, int]


class Comparison(BaseModel):
    """How two masks of a volume agree; the largest disagreements first."""

    mask_a: str
    mask_b: str
    tolerance_mm: float
    labels: list[LabelAgreement]
    disagreements: list[Disagreement]
    notice: str = NOTICE
