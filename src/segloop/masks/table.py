"""SQL of masks: rows are written once and never changed."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Row,
    Table,
    Text,
    Uuid,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from segloop.database import Connection, created_columns, id_column, metadata
from segloop.errors import NotFound

masks = Table(
    "masks",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    # What they were in the project then; null where nobody knows any more.
    Column("created_by_role", Text),
    Column("volume_id", Uuid(as_uuid=False), ForeignKey("volumes.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("label_set_id", Uuid(as_uuid=False), ForeignKey("label_sets.id"), nullable=False),
    Column("model_version_id", Uuid(as_uuid=False), ForeignKey("model_versions.id")),
    Column("job_id", Uuid(as_uuid=False), ForeignKey("jobs.id")),
    Column("parent_id", Uuid(as_uuid=False), ForeignKey("masks.id")),
    Column("profile", Text),
    Column("object_key", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("statistics", JSONB, nullable=False),
    # What a person did to the parent, and what of the result that person vouches for.
    Column("difference", JSONB(none_as_null=True)),
    Column("reviewed", JSONB(none_as_null=True)),
    Column("active_time_s", Float),
    # Of an imported DICOM object: what was decided on the way, such as what was left out.
    Column("notes", JSONB, nullable=False, server_default="[]"),
    CheckConstraint(
        "kind IN ('prediction', 'correction', 'ground_truth', 'imported')",
        name="kind_known",
    ),
    CheckConstraint(
        "(kind = 'prediction') = (model_version_id IS NOT NULL)",
        name="prediction_names_its_version",
    ),
    Index("masks_one_per_job", "job_id", unique=True),
    Index("masks_by_volume", "volume_id", "created_at"),
)


def insert_mask(conn: Connection, **values: object) -> Row[Any]:
    """Insert a mask; `masks_one_per_job` refuses a second result of one job."""
    return conn.execute(insert(masks).values(**values).returning(masks)).one()


def get(conn: Connection, mask_id: str) -> Row[Any]:
    """Return a mask.

    Raises:
        NotFound: `mask_unknown`.
    """
    row = conn.execute(select(masks).where(masks.c.id == mask_id)).one_or_none()
    if row is None:
        raise unknown()
    return row


def unknown() -> NotFound:
    """Return the error for a mask that is absent or another project's."""
    return NotFound("mask_unknown", "There is no such mask.")


def list_by_ids(conn: Connection, mask_ids: Collection[str]) -> Sequence[Row[Any]]:
    """Return those of the masks that are there."""
    return conn.execute(select(masks).where(masks.c.id.in_(mask_ids))).all()


def list_by_volume(conn: Connection, volume_id: str) -> Sequence[Row[Any]]:
    """Return a volume's masks, newest first."""
    return conn.execute(
        select(masks)
        .where(masks.c.volume_id == volume_id)
        .order_by(masks.c.created_at.desc(), masks.c.id.desc())
    ).all()
