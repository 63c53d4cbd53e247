"""An upload that is to be a mask: a NIfTI, or a DICOM SEG or RTSTRUCT made on the volume's own series."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Row

from segloop import schemas
from segloop.database import Connection, transaction
from segloop.errors import Conflict, InvalidInput, NotFound
from segloop.imaging.derive_ct import HEADERS
from segloop.imaging.dicom.signature import is_dicom, is_zip
from segloop.imaging.labels import LabelSet
from segloop.imaging.metrics import differences
from segloop.masks import save, voxels
from segloop.masks import table as masks_table
from segloop.masks.annotated import annotated_region
from segloop.masks.drafts.grid import ras_grid
from segloop.projects import table as projects_table
from segloop.volumes import table
from services.api.deps import Parts, require_uuid

RETRIED = {"mask_names", "mask_label_map", "mask_overlap", "mask_empty", "mask_unreviewed"}
"""What another answer can put right: the file is kept for it."""


def options_of(conn: Connection, body: schemas.NewUpload, *, project_id: str) -> dict[str, Any]:
    """Return what an announced mask is kept with, refusing what can be refused before anything is sent.

    Raises:
        InvalidInput: `volume_missing`, `annotated_labels`, `parent_elsewhere`; NotFound: `volume_unknown`, `mask_unknown`.
    """
    if body.volume_id is None:
        raise InvalidInput("volume_missing", "Say which volume (volume_id) this mask belongs to.")
    if table.get(conn, require_uuid(body.volume_id)).project_id != project_id:
        raise NotFound("volume_unknown", "There is no such volume.")
    if body.parent_id is not None:
        parent = masks_table.get(conn, require_uuid(body.parent_id))
        if parent.project_id != project_id:
            raise masks_table.unknown()
        if parent.volume_id != body.volume_id:
            raise InvalidInput(
                "parent_elsewhere",
                "The mask that this one corrects (parent_id) is of another volume. Name one of this volume's masks.",
            )
    for newest in projects_table.list_label_sets(conn, project_id=project_id)[:1]:
        _annotated(body.annotated_labels, body.mask_kind, newest)
    return {
        "mask_kind": body.mask_kind,
        "annotated_labels": body.annotated_labels,
        "label_map": body.label_map,
        "parent_id": body.parent_id,
    }


def store(
    parts: Parts, upload: Row[Any], folder: Path, answer: schemas.UploadCompletion
) -> tuple[save.StoredMask, dict[str, Any]]:
    """Check the mask `folder`/input and store its objects; return them with the other values of its row.

    Raises:
        Conflict: `RETRIED` codes, after which the same upload is completed again with an answer.
        InvalidInput: as `save.import_objects`; `mask_ct_not_dicom`, `dicom_not_set_up`, `label_map_unused`.
    """
    with transaction(parts.engine) as conn:
        volume = table.get(conn, upload.volume_id)
        label_sets = projects_table.list_label_sets(conn, project_id=upload.project_id)
    if not label_sets:
        raise InvalidInput("label_set_missing", "This project has no label set yet; append one first.")
    newest, kind = label_sets[0], answer.mask_kind or upload.options["mask_kind"]
    said = upload.options.get("label_map") if answer.label_map is None else answer.label_map
    annotated = upload.options.get("annotated_labels")
    _annotated(annotated, kind, newest)
    of_dicom = is_zip(folder / "input") or is_dicom(folder / "input")
    if of_dicom:
        (folder / HEADERS).write_bytes(_headers(parts, volume))
    elif said:
        raise InvalidInput(
            "label_map_unused",
            "This mask holds numbers, not names, so a label map says nothing. Leave it out.",
        )
    try:
        stored = save.import_objects(
            parts.store,
            parts.sandbox,
            folder,
            key=f"masks/{upload.id}-{secrets.token_hex(4)}",
            volume=volume,
            label_set=newest,
            label_map=(said or {}) if of_dicom else None,
            # Announced before anybody could know what the file says; what is said on completion is the answer to that.
            ask_if_doubtful=kind == "ground_truth" and answer.mask_kind is None,
        )
    except InvalidInput as error:
        if error.code not in RETRIED:
            raise
        raise Conflict(error.code, error.message, **error.details) from error
    looked_for = list(stored.labels) if annotated is None and stored.labels is not None else annotated
    parent_id = upload.options.get("parent_id")
    values = {
        "kind": kind,
        "label_set_id": newest.id,
        "reviewed": _annotated(looked_for, kind, newest),
        "parent_id": parent_id,
        "difference": parent_id and _difference(parts, parent_id, volume, folder, newest, looked_for),
    }
    return stored, {"volume": volume, **values}


def _headers(parts: Parts, volume: Row[Any]) -> bytes:
    if volume.source_key is None:
        raise InvalidInput(
            "mask_ct_not_dicom",
            "This CT did not come as DICOM, so a DICOM mask can't be placed on it. Upload the mask as NIfTI on the CT's grid, or "
            "upload the CT's DICOM series and add the mask to that.",
        )
    if parts.identities is None:
        raise InvalidInput(
            "dicom_not_set_up",
            "This installation takes no DICOM: it has no identity store. Upload the mask as NIfTI, or ask operations.",
        )
    return parts.identities.read(volume.source_key)


def _difference(
    parts: Parts,
    parent_id: str,
    volume: Row[Any],
    folder: Path,
    label_set: Row[Any],
    looked_for: Sequence[int] | None,
) -> list[dict[str, Any]]:
    """Return how the new mask differs from its parent, in the labels that somebody looked for in it."""
    with transaction(parts.engine) as conn:
        parent = masks_table.get(conn, parent_id)
    before = voxels.read(parts.store, parent, grid=ras_grid(volume))
    made = folder / "output" / "level-0"
    dtype = json.loads(made.with_suffix(".json").read_text())["dtype"]
    after = np.fromfile(made, np.dtype(dtype).newbyteorder("<"))
    found = differences(before, after, LabelSet.from_dicts(label_set.labels))
    return [one for one in found if looked_for is None or one["index"] in looked_for]


def _annotated(indices: Sequence[int] | None, kind: str, label_set: Row[Any]) -> dict[str, Any] | None:
    return annotated_region(indices, kind=kind, labels=LabelSet.from_dicts(label_set.labels))
