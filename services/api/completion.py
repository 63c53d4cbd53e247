"""Make a volume or a mask of an upload whose parts have all arrived."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Row

from segloop import schemas
from segloop.audit.record import record
from segloop.database import Connection, transaction
from segloop.errors import Conflict, InvalidInput, NotFound
from segloop.imaging.dicom.signature import is_zip
from segloop.imaging.sandbox import Reading
from segloop.masks import save
from segloop.masks import table as masks_table
from segloop.volumes import ingest, table, upload
from services.api import mask_import
from services.api.deps import Parts

RoleIn = Callable[[str], str]
Insert = Callable[[Connection], tuple[str, bool, str | None]]
"""Inserts the row of what is stored; returns its id, whether it is new, and the key of headers that nothing names any more."""


def complete(
    parts: Parts,
    upload_id: str,
    answer: schemas.UploadCompletion,
    *,
    actor: str,
    role_in: RoleIn | None = None,
) -> tuple[schemas.Volume | schemas.Mask, bool]:
    """Check the file and return (the volume or mask it is, whether that is new); a repeat returns the same.

    `answer` is what is said in place of what was announced; `role_in` says what the actor is in a project, for what a mask says of who made it.

    Raises:
        InvalidInput: the file can't become one; it is refused for good.
        Conflict: `upload_incomplete`, `upload_closed`, or what the file clashes with.
        NotFound: `upload_unknown`.
    """
    with transaction(parts.engine) as conn:
        row = table.get_upload(conn, upload_id)
        if row.state == "completed":
            return _result(conn, row), False
        pieces = upload.list_complete(conn, row)
    try:
        result, new = _complete(parts, row, pieces, answer, actor, role_in)
    except InvalidInput:
        # A file that can't become a volume is refused for good: its parts are not kept.
        with transaction(parts.engine) as conn:
            if table.get_upload(conn, upload_id, lock=True).state == "open":
                table.finish_upload(conn, upload_id, state="refused")
        upload.discard_parts(parts.store, upload_id)
        raise
    except NotFound:
        # Its parts are gone: another request has ended this upload in the meantime.
        with transaction(parts.engine) as conn:
            row = table.get_upload(conn, upload_id)
            if row.state != "completed":
                upload.require_open(row)
                raise
            result, new = _result(conn, row), False
    upload.discard_parts(parts.store, upload_id)
    return result, new


def complete_received(
    parts: Parts, row: Row[Any], folder: Path, digest: str, reading: Reading | None, *, actor: str
) -> tuple[schemas.Volume | schemas.Mask, bool]:
    """Do as `complete` for a volume whose file came in one piece; a failure ends its upload.

    The file lies at `folder`/input, or it was a tar that was read while it came.

    Raises:
        InvalidInput: the file can't become a volume.
    """
    try:
        if reading is None:
            return _insert(parts, row, *_prepare_volume(parts, row, folder, digest, actor))
        return _insert(parts, row, *_store_volume(parts, row, folder, reading, actor))
    except BaseException as error:
        state = "refused" if isinstance(error, InvalidInput) else "aborted"
        with transaction(parts.engine) as conn:
            table.finish_upload(conn, row.id, state=state)
        raise


def withdraw(parts: Parts, volume_id: str, *, actor: str) -> None:
    """Take back a volume that nothing was made of, with its objects and headers.

    Raises:
        NotFound: `volume_unknown`. Conflict: `volume_in_use`.
    """
    with transaction(parts.engine) as conn:
        volume = table.get(conn, volume_id)
        table.delete_volume(conn, volume_id)
        record(
            conn,
            actor=actor,
            action="volume.withdrawn",
            object_type="volume",
            object_id=volume_id,
            project_id=volume.project_id,
        )
    _take_back(parts, volume.object_key.rpartition("/")[0], volume.source_key)


def _complete(
    parts: Parts,
    row: Row[Any],
    pieces: Sequence[Row[Any]],
    answer: schemas.UploadCompletion,
    actor: str,
    role_in: RoleIn | None,
) -> tuple[schemas.Volume | schemas.Mask, bool]:
    """Assemble, check and store without a transaction, for that takes long; then insert in a short one."""
    scratch = TemporaryDirectory(dir=parts.settings.scratch, prefix="segloop-upload-")
    with parts.sandbox.place(), scratch as folder:
        digest = upload.assemble(parts.store, pieces, Path(folder) / "input")
        if row.purpose == "mask":
            insert, prefix = _prepare_mask(parts, row, Path(folder), answer, actor, role_in)
        else:
            insert, prefix = _prepare_volume(parts, row, Path(folder), digest, actor)
    return _insert(parts, row, insert, prefix)


def _insert(
    parts: Parts, row: Row[Any], insert: Insert, prefix: str | None
) -> tuple[schemas.Volume | schemas.Mask, bool]:
    new, stale = False, _source_key(prefix)
    try:
        with transaction(parts.engine) as conn:
            # Another request may have completed the same upload in the meantime.
            if table.get_upload(conn, row.id, lock=True).state != "completed":
                upload.require_open(table.get_upload(conn, row.id))
                result_id, new, stale = insert(conn)
                table.finish_upload(conn, row.id, state="completed", result_id=result_id)
            result = _result(conn, table.get_upload(conn, row.id))
            volume = table.get(conn, result.id) if row.purpose == "volume" else None
    except (Conflict, InvalidInput):
        _take_back(parts, prefix, _source_key(prefix))
        raise
    _take_back(parts, None if new else prefix, stale)
    if new and volume is not None:
        parts.copies.make_soon(volume)
    return result, new


def _source_key(prefix: str | None) -> str | None:
    return None if prefix is None else prefix.rpartition("/")[2]


def _take_back(parts: Parts, prefix: str | None, source_key: str | None) -> None:
    """Delete the objects and headers of a volume or mask that is not to be, or has others."""
    if prefix:
        upload.discard(parts.store, prefix)
    if source_key and parts.identities is not None:
        parts.identities.erase(source_key)


def _prepare_volume(
    parts: Parts, row: Row[Any], folder: Path, digest: str, actor: str
) -> tuple[Insert, str | None]:
    with transaction(parts.engine) as conn:
        known = table.find_by_content(conn, project_id=row.project_id, sha256=digest)
        if known is not None:
            key = parts.settings.pseudonym_key
            named = row.patient_reference_hmac
            ingest.require_same_patient(conn, known, named=named, pseudonym_key=key)
    if known is not None:
        return lambda conn: (known.id, False, None), None
    if is_zip(folder / "input"):
        require_dicom(parts)
    return _store_volume(parts, row, folder, parts.sandbox.begin("volume", folder), actor)


def require_dicom(parts: Parts) -> None:
    """Raise `InvalidInput` (`dicom_not_set_up`) where nothing can keep whose a DICOM series is."""
    if parts.identities is None:
        raise InvalidInput(
            "dicom_not_set_up",
            "This installation takes no DICOM: it has no identity store. Upload the CT as NIfTI, or ask operations.",
        )


def _store_volume(
    parts: Parts, row: Row[Any], folder: Path, reading: Reading, actor: str
) -> tuple[Insert, str]:
    """Store what the reader makes of a CT; return what inserts its row, and where its objects are."""
    stored = ingest.store_objects(
        parts.store,
        folder,
        reading,
        upload_id=row.id,
        pseudonym_key=parts.settings.pseudonym_key,
        default_issuer=parts.settings.default_issuer,
    )
    if stored.headers is not None and parts.identities is not None:
        # First the headers, then the row that names them: headers that nothing names are swept, a row without them is lost.
        assert stored.source_key is not None
        try:
            parts.identities.save(
                stored.headers,
                identity=stored.identity,
                source_key=stored.source_key,
                project_id=row.project_id,
                actor=actor,
            )
        except BaseException:
            upload.discard(parts.store, stored.prefix)
            raise

    def insert(conn: Connection) -> tuple[str, bool, str | None]:
        key = parts.settings.pseudonym_key
        volume, new = ingest.insert(conn, stored, upload=row, actor=actor, pseudonym_key=key)
        # Only newer headers take the place of others: the same voxels as NIfTI name nobody.
        return volume.id, new, None if new or stored.headers is None else volume.source_key

    return insert, stored.prefix


def _prepare_mask(
    parts: Parts,
    row: Row[Any],
    folder: Path,
    answer: schemas.UploadCompletion,
    actor: str,
    role_in: RoleIn | None,
) -> tuple[Insert, str | None]:
    stored, values = mask_import.store(parts, row, folder, answer)
    values["created_by_role"] = role_in and role_in(row.project_id)

    def insert(conn: Connection) -> tuple[str, bool, str | None]:
        return save.insert(conn, stored, actor=actor, **values).id, True, None

    return insert, stored.prefix


def _result(conn: Connection, row: Row[Any]) -> schemas.Volume | schemas.Mask:
    if row.purpose == "mask":
        return schemas.Mask.model_validate(masks_table.get(conn, row.result_id))
    return schemas.Volume.model_validate(table.get(conn, row.result_id))
