"""Turn a finished upload into a volume: check everything, store the objects, then the row."""

import hmac
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.imaging import nifti
from segloop.imaging.geometry import Geometry
from segloop.imaging.pyramid import LEVELS, viewer_level
from segloop.storage import ObjectStore
from segloop.volumes import table


def ingest(
    conn: Connection,
    store: ObjectStore,
    *,
    path: Path,
    digest: str,
    upload: Row[Any],
    actor: str,
    pseudonym_key: str,
) -> tuple[Row[Any], bool]:
    """Store a checked file as a volume and return (volume, whether it is new).

    The same bytes in the same project give the volume that is there already. Objects are
    written before the row, under keys of the upload's id, so nothing is ever overwritten.

    Raises:
        InvalidInput: whatever `nifti.inspect` finds wrong.
    """
    known = table.find_by_sha256(conn, project_id=upload.project_id, sha256=digest)
    if known is not None:
        return known, False
    inspection = nifti.inspect(path)
    array, geometry = nifti.load(path)
    key = f"volumes/{upload.id}/original"
    store.put_file(key, path)
    for level in LEVELS:
        store_level(store, f"volumes/{upload.id}", array, geometry, level=level)
    patient_id = _patient(conn, upload, digest=digest, actor=actor, pseudonym_key=pseudonym_key)
    row = table.insert_volume(
        conn,
        id=upload.id,
        project_id=upload.project_id,
        created_by=actor,
        patient_id=patient_id,
        case_reference=upload.case_reference or f"case {upload.id[-6:]}",
        object_key=key,
        sha256=digest,
        size_bytes=path.stat().st_size,
        is_gzip=path.open("rb").read(2) == b"\x1f\x8b",
        shape=list(geometry.shape),
        affine=[float(value) for value in geometry.affine.ravel()],
        spacing_mm=[float(value) for value in geometry.spacing_mm],
        orientation=geometry.orientation,
        hu_min=inspection.hu_min,
        hu_max=inspection.hu_max,
        is_hu_like=inspection.hu_like,
    )
    if row is None:  # the same bytes were completed at the same time
        known = table.find_by_sha256(conn, project_id=upload.project_id, sha256=digest)
        assert known is not None
        return known, False
    record(
        conn,
        actor=actor,
        action="volume.uploaded",
        object_type="volume",
        object_id=row.id,
        project_id=row.project_id,
        sha256=digest,
    )
    return row, True


def store_level(store: ObjectStore, prefix: str, array: Any, geometry: Geometry, *, level: int) -> None:
    """Store one viewer level of an array as `<prefix>/level-<n>` with its grid beside it as JSON."""
    body, grid = viewer_level(array, geometry, level=level)
    store.put_bytes(f"{prefix}/level-{level}", body)
    meta = {
        "shape": list(grid.shape),
        "affine": grid.affine.tolist(),
        "bytes": len(body),
        "dtype": str(array.dtype if array.dtype.kind in "iu" else "int16"),
    }
    store.put_bytes(f"{prefix}/level-{level}.json", json.dumps(meta).encode())


def geometry_of(volume: Row[Any]) -> Geometry:
    """Return the grid a volume's row records."""
    return Geometry.from_flat(volume.shape, volume.affine)


def _patient(conn: Connection, upload: Row[Any], *, digest: str, actor: str, pseudonym_key: str) -> str:
    # Without a reference a file is its own patient, named by its content.
    reference = upload.patient_reference_hmac or digest
    pseudonym = "P-" + hmac.new(pseudonym_key.encode(), reference.encode(), sha256).hexdigest()[:12].upper()
    return table.find_or_insert_patient(
        conn,
        project_id=upload.project_id,
        pseudonym=pseudonym,
        is_known=bool(upload.patient_reference_hmac),
        actor=actor,
    )
