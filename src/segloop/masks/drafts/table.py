"""SQL of drafts and their entries: a draft's head moves, an entry never changes."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    Table,
    Text,
    Uuid,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from segloop.database import Connection, created_columns, id_column, metadata
from segloop.errors import NotFound
from segloop.projects.table import label_sets
from segloop.volumes.table import volumes

FIRST_PARENT = "0" * 64

drafts = Table(
    "drafts",
    metadata,
    id_column(),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("volume_id", Uuid(as_uuid=False), ForeignKey("volumes.id"), nullable=False),
    Column("base_mask_id", Uuid(as_uuid=False), ForeignKey("masks.id")),
    Column("label_set_id", Uuid(as_uuid=False), ForeignKey("label_sets.id"), nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("head_sequence", Integer, nullable=False, server_default="0"),
    Column("head_hash", Text, nullable=False, server_default=FIRST_PARENT),
    Column("mask_id", Uuid(as_uuid=False), ForeignKey("masks.id")),
    CheckConstraint("state IN ('open', 'finalized', 'discarded')", name="state_known"),
    CheckConstraint("(state = 'finalized') = (mask_id IS NOT NULL)", name="finalized_has_mask"),
    Index(
        "drafts_one_open",
        "volume_id",
        "created_by",
        "base_mask_id",
        unique=True,
        postgresql_where=text("state = 'open'"),
        postgresql_nulls_not_distinct=True,
    ),
    Index("drafts_by_volume", "volume_id", "created_at"),
)

draft_entries = Table(
    "draft_entries",
    metadata,
    Column("draft_id", Uuid(as_uuid=False), ForeignKey("drafts.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("project_id", Uuid(as_uuid=False), ForeignKey("projects.id"), nullable=False),
    *created_columns(),
    Column("operation", Text, nullable=False),
    Column("label", Integer, nullable=False),
    Column("parent_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("body", LargeBinary),
    Column("object_key", Text),
    CheckConstraint("(body IS NULL) <> (object_key IS NULL)", name="one_body"),
    CheckConstraint("sequence > 0", name="counted_from_one"),
)


def insert_draft(conn: Connection, **values: object) -> Row[Any] | None:
    """Insert an open draft; None when this person has one of this base already (`drafts_one_open`)."""
    return conn.execute(
        insert(drafts).values(**values).on_conflict_do_nothing().returning(drafts)
    ).one_or_none()


def find_open(
    conn: Connection, *, volume_id: str, base_mask_id: str | None, created_by: str
) -> Row[Any] | None:
    """Return a person's open draft of a base mask (None for the empty one), if any."""
    return conn.execute(
        select(drafts).where(
            drafts.c.volume_id == volume_id,
            drafts.c.base_mask_id.is_not_distinct_from(base_mask_id),
            drafts.c.created_by == created_by,
            drafts.c.state == "open",
        )
    ).one_or_none()


def get(conn: Connection, draft_id: str, *, lock: bool = False) -> Row[Any]:
    """Return a draft with its volume's `shape` and `affine` and its label set's `labels`; `lock` makes writers wait.

    Raises:
        NotFound: `draft_unknown`.
    """
    query = (
        select(drafts, volumes.c.shape, volumes.c.affine, label_sets.c.labels)
        .join(volumes, volumes.c.id == drafts.c.volume_id)
        .join(label_sets, label_sets.c.id == drafts.c.label_set_id)
        .where(drafts.c.id == draft_id)
    )
    row = conn.execute(query.with_for_update(of=drafts) if lock else query).one_or_none()
    if row is None:
        raise NotFound("draft_unknown", "There is no such draft.")
    return row


def list_by_volume(conn: Connection, volume_id: str) -> Sequence[Row[Any]]:
    """Return all drafts of a volume, newest first."""
    return conn.execute(
        select(drafts)
        .where(drafts.c.volume_id == volume_id)
        .order_by(drafts.c.created_at.desc(), drafts.c.id.desc())
    ).all()


def list_others(conn: Connection, *, volume_id: str, created_by: str) -> Sequence[Any]:
    """Return other people's open drafts of a volume, the one used last first."""
    return conn.execute(
        select(drafts.c.id, drafts.c.created_by, drafts.c.updated_at)
        .where(
            drafts.c.volume_id == volume_id,
            drafts.c.created_by != created_by,
            drafts.c.state == "open",
        )
        .order_by(drafts.c.updated_at.desc())
    ).all()


def find_entry(conn: Connection, draft_id: str, sequence: int) -> Row[Any] | None:
    """Return one entry, if it is there."""
    return conn.execute(
        select(draft_entries).where(
            draft_entries.c.draft_id == draft_id, draft_entries.c.sequence == sequence
        )
    ).one_or_none()


def find_newest(conn: Connection, draft_id: str, *, operation: str) -> Row[Any] | None:
    """Return the newest entry of one operation, if any."""
    return conn.execute(
        select(draft_entries)
        .where(draft_entries.c.draft_id == draft_id, draft_entries.c.operation == operation)
        .order_by(draft_entries.c.sequence.desc())
        .limit(1)
    ).one_or_none()


def list_entries(
    conn: Connection, draft_id: str, *, after: int, until: int, limit: int
) -> Sequence[Row[Any]]:
    """Return entries with `after` < sequence <= `until`, in order."""
    return conn.execute(
        select(draft_entries)
        .where(
            draft_entries.c.draft_id == draft_id,
            draft_entries.c.sequence > after,
            draft_entries.c.sequence <= until,
        )
        .order_by(draft_entries.c.sequence)
        .limit(limit)
    ).all()


def list_hashes(conn: Connection, draft_id: str, sequences: Sequence[int]) -> dict[int, str]:
    """Return the hashes of some entries."""
    rows = conn.execute(
        select(draft_entries.c.sequence, draft_entries.c.hash).where(
            draft_entries.c.draft_id == draft_id, draft_entries.c.sequence.in_(sequences)
        )
    )
    return {row.sequence: row.hash for row in rows}


def insert_entry(conn: Connection, **values: object) -> None:
    """Append an entry and move the draft's head to it."""
    entry = conn.execute(insert(draft_entries).values(**values).returning(draft_entries)).one()
    conn.execute(
        update(drafts)
        .where(drafts.c.id == entry.draft_id)
        .values(head_sequence=entry.sequence, head_hash=entry.hash, updated_at=entry.created_at)
    )


def close(conn: Connection, draft_id: str, *, state: str, mask_id: str | None = None) -> None:
    """Close a draft for good."""
    conn.execute(
        update(drafts)
        .where(drafts.c.id == draft_id)
        .values(state=state, mask_id=mask_id, updated_at=func.clock_timestamp())
    )
