"""SQL of feedback: rows are written once and never changed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from segloop.database import Connection, created_columns, id_column, metadata

feedback = Table(
    "feedback",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    # What they were in the project then; null where nobody knows any more.
    Column("created_by_role", Text),
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


def insert_feedback(conn: Connection, **values: object) -> Row[Any] | None:
    """Insert feedback; None when this Idempotency-Key was used before (`feedback_idempotency_key`)."""
    return conn.execute(
        insert(feedback)
        .values(**values)
        .on_conflict_do_nothing(constraint="feedback_idempotency_key")
        .returning(feedback)
    ).one_or_none()


def get_by_idempotency_key(conn: Connection, *, project_id: str, created_by: str, key: str) -> Row[Any]:
    """Return the feedback that was given under a key."""
    return conn.execute(
        select(feedback).where(
            feedback.c.project_id == project_id,
            feedback.c.created_by == created_by,
            feedback.c.idempotency_key == key,
        )
    ).one()


def list_by_volume(conn: Connection, volume_id: str) -> Sequence[Row[Any]]:
    """Return a volume's feedback, newest first."""
    return conn.execute(
        select(feedback)
        .where(feedback.c.volume_id == volume_id)
        .order_by(feedback.c.created_at.desc(), feedback.c.id.desc())
    ).all()
