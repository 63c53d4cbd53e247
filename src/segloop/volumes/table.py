"""SQL of patients, volumes and the uploads they come from."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    cast,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.exc import IntegrityError

from segloop.database import Connection, created_columns, id_column, metadata
from segloop.errors import Conflict, NotFound

patients = Table(
    "patients",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("pseudonym", Text, nullable=False),
    Column("is_known", Boolean, nullable=False),
    UniqueConstraint("project_id", "pseudonym", name="patients_one_per_pseudonym"),
)

volumes = Table(
    "volumes",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("patient_id", Uuid(as_uuid=False), ForeignKey("patients.id"), nullable=False),
    Column("case_reference", Text, nullable=False),
    Column("object_key", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    # By what the same CT is known again: of a DICOM series its voxels and UIDs, of another file its bytes.
    Column("content_sha256", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("is_gzip", Boolean, nullable=False),
    Column("shape", ARRAY(Integer), nullable=False),
    Column("affine", ARRAY(Float), nullable=False),
    Column("spacing_mm", ARRAY(Float), nullable=False),
    Column("orientation", Text, nullable=False),
    Column("hu_min", Float, nullable=False),
    Column("hu_max", Float, nullable=False),
    Column("is_hu_like", Boolean, nullable=False),
    # Of a volume that came as DICOM: the key of its headers in the identity store, and what a person should know of it.
    Column("source_key", Text),
    # A keyed hash of its SeriesInstanceUID, by which the same series is found without anybody knowing the UID.
    Column("series_key", Text, index=True),
    Column("notes", JSONB, nullable=False, server_default="[]"),
    UniqueConstraint("project_id", "content_sha256", name="volumes_one_per_content"),
    CheckConstraint("cardinality(shape) = 3 AND cardinality(affine) = 16", name="geometry_is_3d"),
)

uploads = Table(
    "uploads",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("purpose", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("part_bytes", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("patient_reference_hmac", Text),
    Column("case_reference", Text, nullable=False),
    Column("volume_id", Uuid(as_uuid=False), ForeignKey("volumes.id")),
    Column("options", JSONB, nullable=False, server_default="{}"),
    Column("result_id", Uuid(as_uuid=False)),
    Column("finished_at", DateTime(timezone=True)),
    CheckConstraint("purpose IN ('volume', 'mask')", name="purpose_known"),
    CheckConstraint("state IN ('open', 'completed', 'aborted', 'refused')", name="state_known"),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("upload_id", Uuid(as_uuid=False), ForeignKey("uploads.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("size_bytes", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("object_key", Text, nullable=False),
)


def find_or_insert_patient(
    conn: Connection, *, project_id: str, pseudonym: str, is_known: bool, actor: str
) -> str:
    """Return the id of the patient of this pseudonym, made when it is new."""
    conn.execute(
        insert(patients)
        .values(
            project_id=project_id,
            pseudonym=pseudonym,
            is_known=is_known,
            created_by=actor,
        )
        .on_conflict_do_nothing(constraint="patients_one_per_pseudonym")
    )
    query = select(patients.c.id).where(
        patients.c.project_id == project_id, patients.c.pseudonym == pseudonym
    )
    return str(conn.execute(query).scalar_one())


def get_patient(conn: Connection, patient_id: str) -> Row[Any]:
    """Return a patient.

    Raises:
        NotFound: `patient_unknown`.
    """
    row = conn.execute(select(patients).where(patients.c.id == patient_id)).one_or_none()
    if row is None:
        raise NotFound("patient_unknown", "There is no such patient.")
    return row


def insert_volume(conn: Connection, **values: object) -> Row[Any] | None:
    """Insert a volume; None when the project has this content already."""
    return conn.execute(
        insert(volumes)
        .values(**values)
        .on_conflict_do_nothing(constraint="volumes_one_per_content")
        .returning(volumes)
    ).one_or_none()


def delete_volume(conn: Connection, volume_id: str) -> None:
    """Delete a volume that nothing refers to.

    Raises:
        Conflict: `volume_in_use`.
    """
    try:
        conn.execute(delete(volumes).where(volumes.c.id == volume_id))
    except IntegrityError as error:
        raise Conflict(
            "volume_in_use",
            "Something was made of this volume: a job, a mask, a draft or feedback. It stays.",
        ) from error


def set_source_key(conn: Connection, volume_id: str, source_key: str) -> None:
    """Let a volume name other headers of the same series."""
    conn.execute(update(volumes).where(volumes.c.id == volume_id).values(source_key=source_key))


def list_source_keys(conn: Connection) -> set[str]:
    """Return the keys of all headers that a volume names, in any project."""
    found = conn.execute(select(volumes.c.source_key).where(volumes.c.source_key.is_not(None)))
    return {str(key) for key in found.scalars()}


def find_by_content(conn: Connection, *, project_id: str, sha256: str) -> Row[Any] | None:
    """Return the project's volume of this content, or else one that is stored in exactly these bytes, if any."""
    is_content = volumes.c.content_sha256 == sha256
    return conn.execute(
        select(volumes)
        .where(volumes.c.project_id == project_id, or_(is_content, volumes.c.sha256 == sha256))
        .order_by(is_content.desc())
        .limit(1)
    ).one_or_none()


def find_by_series(conn: Connection, *, project_id: str, series_key: str) -> Row[Any] | None:
    """Return the project's newest volume of a DICOM series, if any."""
    return conn.execute(
        select(volumes)
        .where(volumes.c.project_id == project_id, volumes.c.series_key == series_key)
        .order_by(volumes.c.created_at.desc())
        .limit(1)
    ).one_or_none()


def get(conn: Connection, volume_id: str) -> Row[Any]:
    """Return a volume.

    Raises:
        NotFound: `volume_unknown`.
    """
    row = conn.execute(select(volumes).where(volumes.c.id == volume_id)).one_or_none()
    if row is None:
        raise NotFound("volume_unknown", "There is no such volume.")
    return row


def list_by_ids(conn: Connection, volume_ids: Collection[str]) -> Sequence[Row[Any]]:
    """Return those volumes that there are, in any order."""
    return conn.execute(select(volumes).where(volumes.c.id.in_(volume_ids))).all()


def list_by_source_keys(
    conn: Connection, source_keys: Collection[str], *, project_id: str, limit: int
) -> Sequence[Row[Any]]:
    """Return a project's volumes that name these headers, newest first."""
    query = select(volumes).where(volumes.c.project_id == project_id, volumes.c.source_key.in_(source_keys))
    return conn.execute(query.order_by(volumes.c.created_at.desc(), volumes.c.id.desc()).limit(limit)).all()


def list_(
    conn: Connection,
    *,
    project_id: str,
    limit: int,
    before: tuple[datetime, str] | None,
) -> Sequence[Row[Any]]:
    """Return a project's volumes, newest first; `before` is the (created_at, id) of the last one seen."""
    query = (
        select(volumes)
        .where(volumes.c.project_id == project_id)
        .order_by(volumes.c.created_at.desc(), volumes.c.id.desc())
        .limit(limit)
    )
    if before:
        query = query.where(tuple_(volumes.c.created_at, volumes.c.id) < before)
    return conn.execute(query).all()


def insert_upload(conn: Connection, **values: object) -> Row[Any]:
    """Insert an open upload."""
    return conn.execute(insert(uploads).values(**values).returning(uploads)).one()


def get_upload(conn: Connection, upload_id: str, *, lock: bool = False) -> Row[Any]:
    """Return an upload, locked against a second completion when asked.

    Raises:
        NotFound: `upload_unknown`.
    """
    query = select(uploads).where(uploads.c.id == upload_id)
    row = conn.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound("upload_unknown", "There is no such upload; start a new one.")
    return row


def list_open_uploads(conn: Connection, *, older_than: timedelta) -> list[str]:
    """Return the uploads that were begun longer ago and never ended, in any project."""
    began = func.clock_timestamp() - older_than
    found = conn.execute(select(uploads.c.id).where(uploads.c.state == "open", uploads.c.created_at < began))
    return [str(upload_id) for upload_id in found.scalars()]


def finish_upload(conn: Connection, upload_id: str, *, state: str, result_id: str | None = None) -> None:
    """Close an upload for good; what structures of its file were called is not kept, for names may say whose it is."""
    conn.execute(
        update(uploads)
        .where(uploads.c.id == upload_id)
        .values(
            options=uploads.c.options.op("-")(cast("label_map", Text)),
            state=state,
            result_id=result_id,
            finished_at=func.clock_timestamp(),
        )
    )


def save_part(
    conn: Connection,
    *,
    upload_id: str,
    number: int,
    size_bytes: int,
    sha256: str,
    object_key: str,
) -> None:
    """Record a part; sending a part again replaces the record."""
    values = {"size_bytes": size_bytes, "sha256": sha256, "object_key": object_key}
    conn.execute(
        insert(upload_parts)
        .values(upload_id=upload_id, number=number, **values)
        .on_conflict_do_update(index_elements=["upload_id", "number"], set_=values)
    )


def list_parts(conn: Connection, upload_id: str) -> Sequence[Row[Any]]:
    """Return the parts that have arrived, in order."""
    return conn.execute(
        select(upload_parts).where(upload_parts.c.upload_id == upload_id).order_by(upload_parts.c.number)
    ).all()
