"""Bodies about the worklist."""

from datetime import datetime

from pydantic import BaseModel

from segloop.schemas.volumes import Volume
from segloop.worklist.state import CaseState


class Case(Volume):
    """A volume and where it stands; `mask_id` is its newest mask, `has_draft` says that you have an open draft."""

    pseudonym: str
    state: CaseState
    mask_id: str | None
    mask_kind: str | None
    touched_at: datetime
    touched_by: str
    has_draft: bool
    n_other_drafts: int


class Resumable(BaseModel):
    """The draft that you worked on last."""

    id: str
    case_reference: str
    base_mask_id: str | None
    updated_at: datetime


class Worklist(BaseModel):
    """One page of cases, the one touched last first; `counts` are of all states under the same search."""

    items: list[Case]
    counts: dict[CaseState, int]
    resumable: Resumable | None
    next_cursor: str | None = None
