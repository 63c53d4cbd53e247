"""Bodies about drafts and the tools that edit them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from segloop.schemas.base import Body, Result
from segloop.schemas.masks import ReviewedRegion, SliceRange


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


class EditedSlices(BaseModel):
    """Slices that differ from the base mask: ranges [first, last] in RAS order, inclusive."""

    axial: list[SliceRange]
    coronal: list[SliceRange]
    sagittal: list[SliceRange]


class DraftChanges(BaseModel):
    """What a draft has changed up to one entry, and the region that its owner vouches for."""

    sequence: int
    hash: str
    edited: EditedSlices
    voxels_changed: int
    reviewed: ReviewedRegion | None


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


class ToolSettings(Body):
    """What a tool is told, in RAS voxels and mm; `over` are the labels it may replace (0 is background).

    islands: min_voxels (null keeps the largest only). holes: plane (null in space). smooth: radius_mm (2).
    interpolate: plane (axial), slices to interpolate between (null: fill gaps). grow: seed, low_hu, high_hu, radius_mm (20).
    """

    over: list[int] = Field(default=[0], max_length=1000)
    plane: Literal["axial", "coronal", "sagittal"] | None = None
    slices: list[int] | None = Field(default=None, max_length=10_000)
    min_voxels: int | None = Field(default=None, ge=1)
    radius_mm: float | None = Field(default=None, gt=0, le=100)
    seed: tuple[int, int, int] | None = None
    low_hu: float | None = None
    high_hu: float | None = None


class ToolRequest(Body):
    """Runs a tool on a label of a draft at exactly this head."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "tool": "interpolate",
                    "label": 3,
                    "sequence": 12,
                    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "parameters": {"plane": "axial", "slices": [40, 46, 52]},
                }
            ]
        },
    )

    tool: Literal["interpolate", "smooth", "islands", "holes", "grow"]
    label: int = Field(ge=1, le=65535)
    sequence: int = Field(ge=0)
    hash: str = Field(pattern="^[0-9a-f]{64}$")
    parameters: ToolSettings = ToolSettings()
