"""Resumable uploads: parts arrive in any order and any number of times, and completion is one step."""

import hashlib
import hmac
import logging
import math
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import Conflict, InvalidInput, Unavailable
from segloop.storage import ObjectStore
from segloop.volumes import table

log = logging.getLogger(__name__)


def start(
    conn: Connection,
    *,
    project_id: str,
    actor: str,
    purpose: str,
    size_bytes: int,
    part_bytes: int,
    max_bytes: int,
    pseudonym_key: str,
    patient_reference: str | None,
    case_reference: str | None,
    volume_id: str | None,
    options: dict[str, Any],
) -> Row[Any]:
    """Open an upload of `size_bytes`; the patient reference is kept only as a keyed hash.

    Raises:
        InvalidInput: `empty_file` or `file_too_large`.
    """
    if size_bytes <= 0:
        raise InvalidInput(
            "empty_file",
            "This file is empty. Choose the CT's .nii or .nii.gz file, or a zip of its DICOM files.",
        )
    if size_bytes > max_bytes:
        raise InvalidInput(
            "file_too_large",
            f"Files may have {max_bytes // 2**20} MiB at most; this one is larger.",
        )
    hashed = None
    if patient_reference and patient_reference.strip():
        hashed = hash_reference(patient_reference.strip(), pseudonym_key)
    return table.insert_upload(
        conn,
        project_id=project_id,
        created_by=actor,
        purpose=purpose,
        size_bytes=size_bytes,
        part_bytes=part_bytes,
        patient_reference_hmac=hashed,
        case_reference=(case_reference or "").strip()[:100],
        volume_id=volume_id,
        options=options,
    )


def hash_reference(reference: str, key: str) -> str:
    """Return the keyed hash under which a patient reference is known; nothing else of it is kept."""
    return hmac.new(key.encode(), reference.encode(), hashlib.sha256).hexdigest()


def hash_uid(uid: str, key: str) -> str:
    """Return the keyed hash under which a study or series is known; the UID itself is in the identity store alone."""
    return hash_reference(f"uid/{uid}", key)[:32]


def count_parts(upload: Row[Any]) -> int:
    """Return how many parts the upload has."""
    return math.ceil(int(upload.size_bytes) / int(upload.part_bytes))


def expected_bytes(upload: Row[Any], number: int) -> int:
    """Return the size of part `number` (from 1).

    Raises:
        InvalidInput: `part_unknown`.
    """
    if not 1 <= number <= count_parts(upload):
        raise InvalidInput("part_unknown", f"This upload has the parts 1 to {count_parts(upload)}.")
    return int(min(upload.part_bytes, upload.size_bytes - (number - 1) * upload.part_bytes))


def store_part(
    store: ObjectStore,
    upload: Row[Any],
    number: int,
    body: bytes,
    *,
    sha256: str | None,
) -> dict[str, Any]:
    """Store one part under a fresh key and return what `table.save_part` takes.

    Raises:
        Conflict: `upload_closed`.
        InvalidInput: `part_size` or `part_damaged`.
    """
    require_open(upload)
    if len(body) != expected_bytes(upload, number):
        raise InvalidInput(
            "part_size",
            f"Part {number} must have {expected_bytes(upload, number)} bytes; send it again.",
        )
    digest = hashlib.sha256(body).hexdigest()
    if sha256 is not None and not hmac.compare_digest(digest.encode(), sha256.lower().encode()):
        raise InvalidInput("part_damaged", f"Part {number} was damaged on its way; send it again.")
    key = f"uploads/{upload.id}/{number:06d}-{secrets.token_hex(4)}"
    store.put_bytes(key, body)
    return {
        "upload_id": upload.id,
        "number": number,
        "size_bytes": len(body),
        "sha256": digest,
        "object_key": key,
    }


def require_open(upload: Row[Any]) -> None:
    """Raise `Conflict` (`upload_closed`) when nothing more may arrive."""
    if upload.state != "open":
        raise Conflict("upload_closed", f"This upload is {upload.state}; start a new one.")


def list_complete(conn: Connection, upload: Row[Any]) -> Sequence[Row[Any]]:
    """Return all parts of an open upload, in order.

    Raises:
        Conflict: `upload_closed`, or `upload_incomplete`, naming the first parts that are missing.
    """
    require_open(upload)
    parts = table.list_parts(conn, upload.id)
    missing = sorted(set(range(1, count_parts(upload) + 1)) - {part.number for part in parts})
    if missing:
        some = ", ".join(str(number) for number in missing[:5])
        raise Conflict(
            "upload_incomplete",
            f"{len(missing)} parts have not arrived (first: {some}); send them.",
        )
    return parts


def assemble(store: ObjectStore, parts: Sequence[Row[Any]], path: Path) -> str:
    """Write the parts' bytes, one part after the other, into a new file and return its sha256.

    Raises:
        InvalidInput: `part_damaged`.
        Unavailable: `scratch_full`.
    """
    try:
        return _assemble(store, parts, path)
    except OSError as error:
        raise Unavailable(
            "scratch_full",
            "The server has no room for this file at the moment; complete the upload again later.",
        ) from error


def _assemble(store: ObjectStore, parts: Sequence[Row[Any]], path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for part in parts:
            body = store.read(part.object_key)
            if hashlib.sha256(body).hexdigest() != part.sha256:
                raise InvalidInput(
                    "part_damaged",
                    f"Part {part.number} was damaged in the store; upload the file again.",
                )
            digest.update(body)
            file.write(body)
    return digest.hexdigest()


def discard_parts(store: ObjectStore, upload_id: str) -> None:
    """Delete whatever has arrived for an upload that is closed; what the store refuses to delete now stays for later."""
    discard(store, f"uploads/{upload_id}")


def discard(store: ObjectStore, prefix: str) -> None:
    """Delete the objects under a prefix that no row names; a store that is away is no reason to fail."""
    try:
        for item in list(store.list_(f"{prefix}/")):
            store.delete(item.key)
    except Unavailable:
        log.warning("objects left behind under %s", prefix)


def abort(conn: Connection, upload_id: str, *, actor: str) -> None:
    """Give up an open upload; its parts may be discarded after the commit. A repeat changes nothing."""
    upload = table.get_upload(conn, upload_id, lock=True)
    if upload.state != "open":
        return
    table.finish_upload(conn, upload_id, state="aborted")
    record(
        conn,
        actor=actor,
        action="upload.aborted",
        object_type="upload",
        object_id=upload_id,
        project_id=upload.project_id,
    )
