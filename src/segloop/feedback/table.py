"""SQL of feedback: rows are written once and never changed."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from segloop.database import created_columns, id_column, metadata

feedback = Table(
    "feedback",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("volume_id", Uuid(as_uuid=False), ForeignKey("volumes.id"), nullable=False),
    Column("mask_id", Uuid(as_uuid=False), ForeignKey("masks.id"), nullable=False),
    # What was judged in the end: the mask itself, or the one that a correction began from.
    Column("original_id", Uuid(as_uuid=False), ForeignKey("masks.id"), nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("notes", Text, nullable=False),
    Column("rating", Integer),
    Column("reviewed", JSONB(none_as_null=True)),
    Column("active_time_s", Float),
    Column("voxels_changed", BigInteger),
    Column("dice", Float),
    Column("difference", JSONB(none_as_null=True)),
    Column("idempotency_key", Text),
    Column("request_sha256", Text, nullable=False),
    CheckConstraint("verdict IN ('accepted', 'corrected', 'rejected')", name="verdict_known"),
    CheckConstraint("rating BETWEEN 1 AND 5", name="rating_of_five"),
    UniqueConstraint("project_id", "created_by", "idempotency_key", name="feedback_idempotency_key"),
    Index("feedback_by_volume", "volume_id", "created_at"),
    Index("feedback_by_project", "project_id", "created_at"),
)
