"""Where a mask comes from and who vouches for it, as results that leave the house must say."""

from typing import Any

from sqlalchemy import Row

from segloop import __version__
from segloop.database import Connection
from segloop.errors import Conflict
from segloop.feedback import table
from segloop.masks import table as masks_table
from segloop.model_versions import table as model_versions_table


def origin_of(conn: Connection, mask: Row[Any]) -> dict[str, Any]:
    """Return the fields of `imaging.dicom.result.Origin` for a mask, as plain values.

    Raises:
        Conflict: `mask_rejected` where the newest verdict on it says so: it must not reach anybody as a result.
    """
    given = table.list_by_volume(conn, mask.volume_id)
    verdict = next((one for one in given if one.mask_id == mask.id), None)
    if verdict is not None and verdict.verdict == "rejected":
        raise Conflict(
            "mask_rejected",
            "This mask was rejected, so it is not exported. Correct it, or choose another mask.",
        )
    first = _first(conn, mask)
    version = (
        None if first.model_version_id is None else model_versions_table.get(conn, first.model_version_id)
    )
    return {
        "mask_sha256": mask.sha256,
        "made_at": mask.created_at.isoformat(),
        "software": __version__,
        "model": "" if version is None else f"{version.name} v{version.number}",
        "weights_sha256": "" if version is None else version.sha256,
        "made_by": "" if mask.kind == "prediction" else mask.created_by,
        "reviewed_by": _reviewer(mask, verdict),
        "is_imported": first.kind == "imported",
        "is_corrected": mask.kind == "correction" and first.kind in ("prediction", "imported"),
    }


def _first(conn: Connection, mask: Row[Any]) -> Row[Any]:
    """Return the mask that people's corrections began with: a version's, an imported one, or what somebody drew."""
    while mask.model_version_id is None and mask.parent_id is not None:
        mask = masks_table.get(conn, mask.parent_id)
    return mask


def _reviewer(mask: Row[Any], verdict: Row[Any] | None) -> str:
    """Return who vouched for every voxel and label, or "" for nobody."""
    if verdict is not None and verdict.verdict == "accepted" and _is_whole(verdict.reviewed):
        return str(verdict.created_by)
    by_maker = mask.kind in ("correction", "ground_truth") and _is_whole(mask.reviewed)
    return str(mask.created_by) if by_maker else ""


def _is_whole(region: dict[str, Any] | None) -> bool:
    return region is not None and bool(region.get("whole")) and region.get("labels") is None
