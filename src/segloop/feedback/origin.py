"""Where a mask comes from and who vouches for it, as results that leave the house must say."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from segloop import __version__
from segloop.database import Connection
from segloop.errors import Conflict
from segloop.feedback import table
from segloop.imaging.labels import LabelSet
from segloop.masks import table as masks_table
from segloop.masks.drafts.grid import ras_grid
from segloop.masks.drafts.region import AXES
from segloop.model_versions import table as model_versions_table
from segloop.projects import table as projects_table
from segloop.volumes import table as volumes_table


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
    *earlier, review = _reviews(conn, mask, [one for one in reversed(given) if one.mask_id == mask.id])
    before = masks_table.list_by_volume(conn, mask.volume_id)[::-1]
    return {
        "mask_sha256": mask.sha256,
        "made_at": mask.created_at.isoformat(),
        "software": __version__,
        "model": "" if version is None else f"{version.name} v{version.number}",
        "weights_sha256": "" if version is None else version.sha256,
        "made_by": "" if mask.kind == "prediction" else mask.created_by,
        "is_imported": first.kind == "imported",
        "is_corrected": mask.kind == "correction" and first.kind in ("prediction", "imported"),
        "nth": [one.id for one in before].index(mask.id),
        "review": review,
        "earlier": earlier,
    }


def _first(conn: Connection, mask: Row[Any]) -> Row[Any]:
    """Return the mask that people's corrections began with: a version's, an imported one, or what somebody drew."""
    while mask.model_version_id is None and mask.parent_id is not None:
        mask = masks_table.get(conn, mask.parent_id)
    return mask


def _reviews(conn: Connection, mask: Row[Any], verdicts: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Return what was vouched for of a mask, one after the other (fields of `imaging.dicom.review.Review`), the last one holding.

    It begins with what its maker said. A rejection ends what was vouched for before: nobody vouches until somebody does anew. A verdict that vouches for the same part in the same role changes nothing, so a result
    that is sent again after it is the same object.
    """
    grid = ras_grid(volumes_table.get(conn, mask.volume_id))
    label_set = projects_table.get_label_set(conn, mask.label_set_id, project_id=mask.project_id)
    labels = {label.index: label.name for label in LabelSet.from_dicts(label_set.labels).labels}
    found = [_review(mask, _vouched_by_maker(mask), grid.shape, labels)]
    for one in verdicts:
        is_rejected = one.verdict == "rejected"
        if one.reviewed is None and not is_rejected:
            continue
        said = _review(one, None if is_rejected else one.reviewed, grid.shape, labels)
        if {**said, **_WHO} != {**found[-1], **_WHO} or bool(said["by"]) != bool(found[-1]["by"]):
            found.append(said)
    return found


_WHO = {"by": "", "at": ""}


def _vouched_by_maker(mask: Row[Any]) -> dict[str, Any] | None:
    if mask.kind == "ground_truth" and mask.reviewed is None:  # of every label, in every slice
        return {"whole": True, "labels": None}
    return mask.reviewed if mask.kind in ("correction", "ground_truth") else None


def _review(
    row: Row[Any], region: dict[str, Any] | None, shape: Sequence[int], labels: Mapping[int, str]
) -> dict[str, Any]:
    """Return who of a mask's or verdict's row vouched for a region of a RAS grid, in words."""
    named = None if region is None or region.get("labels") is None else set(region["labels"]) & set(labels)
    ranges = [] if region is None or region.get("whole") else _ranges(region, shape)
    nothing = region is None or named == set() or not (region.get("whole") or ranges)
    return {
        "by": "" if nothing else str(row.created_by),
        "role": "" if nothing else row.created_by_role or "",
        "slices": "" if nothing else "; ".join(ranges),
        "labels": None
        if nothing or named is None or named == set(labels)
        else [labels[index] for index in sorted(named)],
        "at": row.created_at.isoformat(),
    }


def _ranges(region: dict[str, Any], shape: Sequence[int]) -> list[str]:
    """Return a region's slices in words; nothing where it has none."""
    said = []
    for axis, n, start in reversed(list(zip(AXES, shape, _FROM, strict=True))):
        if given := region.get(axis) or []:
            numbers = ", ".join(f"{a + 1}" if a == b else f"{a + 1} to {b + 1}" for a, b in given)
            said.append(f"{axis} slices {numbers} of {n}, counted from the {start}")
    return said


_FROM = ("patient's left", "back", "feet")
"""Where the RAS order begins along x, y and z."""
