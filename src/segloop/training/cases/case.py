"""One case of a project as training sees it, and which of them there are."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row

from segloop.database import Connection
from segloop.training.cases import table
from segloop.training.split import CaseFacts
from segloop.training.target import ReviewedRegion

Origin = Literal["accepted", "corrected", "ground_truth"]


@dataclass(frozen=True)
class Case:
    """A volume with the newest mask that somebody vouched for; `reviewed` is the region's JSON form.

    `voxels` counts each label's voxels by name in the whole mask. `is_corrected`: people changed it, whatever the last word
    on it was. `is_untouched`: a version's own output that nobody changed; it teaches, but a test against it would be that
    version's test against itself. `hu_offset` turns stored values into HU; None where the volume's values are not HU and
    nobody said what would.
    """

    volume_id: str
    mask_id: str
    patient_id: str
    patient_known: bool
    case_reference: str
    origin: Origin
    reviewed: dict[str, Any]
    labels: tuple[str, ...]
    voxels: dict[str, int]
    is_corrected: bool
    is_untouched: bool
    hu_offset: float | None
    decided_at: datetime
    decided_by: str

    @property
    def region(self) -> ReviewedRegion:
        """What somebody vouches for."""
        return ReviewedRegion.from_dict(self.reviewed)

    @property
    def why_not(self) -> str | None:
        """Say in words why it can't teach anything yet; None for a case that can."""
        region = self.region
        if self.hu_offset is None:
            return "the CT's values are not HU, and nobody said what to add"
        if not region.whole and not any(region.ranges.values()):
            return "nothing of it is marked as reviewed"
        if region.labels is not None and not region.labels:
            return "no label of it is marked as reviewed"
        return None

    def is_dense(self, classes: Collection[str]) -> bool:
        """Say whether every voxel and each of these labels was vouched for."""
        return self.region.whole and self.region.labels is None and set(classes) <= set(self.labels)

    def is_reference(self, classes: Collection[str]) -> bool:
        """Say whether versions may be tested on it: dense, and not the unchanged output of one of them."""
        return self.is_dense(classes) and not self.is_untouched

    def facts(self, classes: Collection[str], *, trained_before: bool) -> CaseFacts:
        """Return what the split must know."""
        return CaseFacts(
            self.volume_id, self.patient_id, self.is_reference(classes), self.patient_known, trained_before
        )


def list_cases(conn: Connection, *, project_id: str, for_tests: bool = False) -> list[Case]:
    """Return a project's cases, oldest decision first; one for each volume.

    `for_tests` leaves out masks that are a version's unchanged output, so that one accepted later hides no reference.
    """
    rows = table.list_newest(conn, project_id=project_id, with_untouched=not for_tests)
    return [_case(row) for row in rows]


def usable(cases: Sequence[Case]) -> list[Case]:
    """Return those that can teach something."""
    return [case for case in cases if case.why_not is None]


def _case(row: Row[Any]) -> Case:
    # Accepting a mask as it is, or uploading ground truth, vouches for all of it unless the upload named its labels; a
    # correction says itself for what, also where somebody else accepts it.
    whole = row.kind != "correction"
    offset = row.hu_offset if row.hu_offset is not None else (0.0 if row.is_hu_like else None)
    return Case(
        volume_id=row.volume_id,
        mask_id=row.mask_id,
        patient_id=row.patient_id,
        patient_known=row.patient_known,
        case_reference=row.case_reference,
        origin=row.origin,
        reviewed=row.reviewed if row.reviewed is not None else {"whole": whole, "labels": None},
        labels=tuple(label["name"] for label in row.labels),
        voxels={item["name"]: int(item["voxels"]) for item in row.statistics},
        is_corrected=row.kind == "correction" and not row.is_untouched,
        is_untouched=row.is_untouched,
        hu_offset=offset,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
    )
