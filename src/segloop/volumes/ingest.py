"""Turn a finished upload into a volume: check everything, store the objects, then the row."""

import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import InvalidInput
from segloop.imaging.derive_ct import HEADERS, ORIGINAL
from segloop.imaging.dicom.identity import Identity
from segloop.imaging.geometry import Geometry
from segloop.imaging.sandbox import Reading
from segloop.storage import ObjectStore
from segloop.volumes import table
from segloop.volumes.upload import discard, hash_reference, hash_uid


@dataclass(frozen=True)
class StoredVolume:
    """A checked file whose object is stored under `prefix`, and whose row is not yet there.

    `content_sha256` is by what the same CT is known again. `headers` and `identity` are those of a DICOM series, for the identity
    store; None for another file.
    """

    prefix: str
    sha256: str
    content_sha256: str
    size_bytes: int
    is_gzip: bool
    found: dict[str, Any]
    headers: bytes | None = None
    identity: Identity | None = None

    @property
    def source_key(self) -> str | None:
        """The key of the headers in the identity store."""
        return None if self.headers is None else self.prefix.rpartition("/")[2]


def store_objects(
    store: ObjectStore,
    folder: Path,
    reading: Reading,
    *,
    upload_id: str,
    pseudonym_key: str,
    default_issuer: str,
) -> StoredVolume:
    """Store the CT that its reader makes in `folder`, under a fresh prefix, while the reader ends its work.

    A DICOM series is known again by its voxels and a keyed hash of its UIDs, whatever packs it: the same series in another zip
    is the same volume, and a copy of its images in another series is not.

    Raises:
        InvalidInput, Unavailable: as `Reading.finish`; nothing is stored then.
    """
    prefix = f"volumes/{upload_id}-{secrets.token_hex(4)}"
    try:
        with _all_or_nothing(store, prefix):
            with reading.output(ORIGINAL) as file:
                is_gzip = file.read(2) == b"\x1f\x8b"
                file.seek(0)
                size = os.fstat(file.fileno()).st_size
                hashed = _Hashed(file)
                store.put(f"{prefix}/{ORIGINAL}", hashed, size)
            found = reading.finish()
    except BaseException:
        reading.give_up()
        raise
    digest = hashed.digest.hexdigest()
    headers = folder / HEADERS
    kept, identity, content = (headers.read_bytes() if headers.exists() else None), None, digest
    if kept is not None:
        identity = Identity.from_dict(found.pop("identity"))
        found["patient_reference"] = identity.patient_reference(default_issuer=default_issuer)
        series = hash_reference(found.pop("series"), pseudonym_key)
        content = sha256(f"{found.pop('content')}/{series}".encode()).hexdigest()
    return StoredVolume(prefix, digest, content, size, is_gzip, found, kept, identity)


class _Hashed:
    """A file whose bytes are hashed (SHA-256) when they are read, once and in order."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, sha256()

    def read(self, n: int, /) -> bytes:
        data = self._file.read(n)
        self.digest.update(data)
        return data


def store_files(store: ObjectStore, prefix: str, folder: Path) -> None:
    """Store every file of a folder under its own name: all of them, or what was stored is taken back."""
    with _all_or_nothing(store, prefix):
        for file in sorted(folder.iterdir()):
            store.put_file(f"{prefix}/{file.name}", file)


@contextmanager
def _all_or_nothing(store: ObjectStore, prefix: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        discard(store, prefix)
        raise


def insert(
    conn: Connection, stored: StoredVolume, *, upload: Row[Any], actor: str, pseudonym_key: str
) -> tuple[Row[Any], bool]:
    """Insert the row of a stored volume and return (volume, whether it is new).

    The same content in the same project gives the volume that is there already.

    Raises:
        InvalidInput: `patient_differs` when that one is not of the patient that the upload names.
    """
    geometry = Geometry.from_flat(stored.found["shape"], stored.found["affine"])
    named = _named(upload, stored, pseudonym_key)
    notes = list(stored.found.get("notes", []))
    if upload.patient_reference_hmac not in (None, named):
        notes.append("patient_reference_ignored")
    patient_id = _patient(
        conn, upload.project_id, named, digest=stored.content_sha256, actor=actor, pseudonym_key=pseudonym_key
    )
    row = table.insert_volume(
        conn,
        project_id=upload.project_id,
        created_by=actor,
        patient_id=patient_id,
        case_reference=upload.case_reference or f"case {upload.id[-6:]}",
        object_key=f"{stored.prefix}/original",
        sha256=stored.sha256,
        content_sha256=stored.content_sha256,
        size_bytes=stored.size_bytes,
        is_gzip=stored.is_gzip,
        shape=stored.found["shape"],
        affine=stored.found["affine"],
        spacing_mm=stored.found["spacing_mm"],
        orientation=geometry.orientation,
        hu_min=stored.found["hu_min"],
        hu_max=stored.found["hu_max"],
        is_hu_like=stored.found["hu_like"],
        source_key=stored.source_key,
        series_key=None if stored.identity is None else hash_uid(stored.identity.series_uid, pseudonym_key),
        notes=notes,
    )
    if row is None:  # the same was completed before, or at the same time
        known = table.find_by_content(conn, project_id=upload.project_id, sha256=stored.content_sha256)
        assert known is not None
        require_same_patient(conn, known, named=named, pseudonym_key=pseudonym_key)
        if (
            stored.source_key is not None
        ):  # newer headers of the same series: a name put right, or what was erased
            table.set_source_key(conn, known.id, stored.source_key)
        return known, False
    record(
        conn,
        actor=actor,
        action="volume.uploaded",
        object_type="volume",
        object_id=row.id,
        project_id=row.project_id,
        sha256=stored.sha256,
    )
    return row, True


def geometry_of(volume: Row[Any]) -> Geometry:
    """Return the grid a volume's row records."""
    return Geometry.from_flat(volume.shape, volume.affine, volume.spacing_mm)


def require_same_patient(
    conn: Connection, volume: Row[Any], *, named: str | None, pseudonym_key: str
) -> None:
    """Check that an upload of a volume's bytes names (by keyed hash) the volume's patient, or none.

    Whose CT it is decides who trains and who is tested, so another reference is neither dropped nor taken over.

    Raises:
        InvalidInput: `patient_differs`.
    """
    patient = table.get_patient(conn, volume.patient_id)
    if named is None or patient.pseudonym == _pseudonym(named, pseudonym_key):
        return
    how = "under another patient reference" if patient.is_known else "without a patient reference"
    raise InvalidInput(
        "patient_differs",
        f"This CT is here already: it was uploaded as {volume.case_reference}, {how}, and its patient can't be changed. "
        "Open that case, or check whose CT this file is.",
        volume_id=volume.id,
    )


def pseudonym_of_reference(reference: str, key: str) -> str:
    """Return the pseudonym of a patient who is named by a reference (issuer and ID)."""
    return _pseudonym(hash_reference(reference, key), key)


def _pseudonym(reference: str, key: str) -> str:
    return "P-" + hmac.new(key.encode(), reference.encode(), sha256).hexdigest()[:12].upper()


def _named(upload: Row[Any], stored: StoredVolume, key: str) -> str | None:
    """Return the keyed hash of whose CT it is: as a DICOM series says itself, else as who uploads it said."""
    stated = stored.found.get("patient_reference")
    said: str | None = upload.patient_reference_hmac
    return said if stated is None else hash_reference(stated, key)


def _patient(
    conn: Connection, project_id: str, named: str | None, *, digest: str, actor: str, pseudonym_key: str
) -> str:
    # Without a reference a file is its own patient, named by its content.
    return table.find_or_insert_patient(
        conn,
        project_id=project_id,
        pseudonym=_pseudonym(named or digest, pseudonym_key),
        is_known=bool(named),
        actor=actor,
    )
