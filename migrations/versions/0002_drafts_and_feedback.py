"""Drafts with their entries, feedback, and what a corrected mask says about its making."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

GRANTS = """
GRANT SELECT, INSERT ON drafts, draft_entries, feedback TO segloop_app;
GRANT UPDATE (state, updated_at, head_sequence, head_hash, mask_id) ON drafts TO segloop_app;
"""


def _row_columns() -> list[sa.Column]:
    return [
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
    ]


def upgrade() -> None:
    """Apply."""
    op.add_column("masks", sa.Column("difference", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("masks", sa.Column("reviewed", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("masks", sa.Column("active_time_s", sa.Float(), nullable=True))
    _create_drafts()
    _create_feedback()
    op.execute(GRANTS)


def _create_drafts() -> None:
    op.create_table(
        "drafts",
        sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False),
        *_row_columns(),
        sa.Column("volume_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("base_mask_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("label_set_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("head_sequence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("head_hash", sa.Text(), server_default="0" * 64, nullable=False),
        sa.Column("mask_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'finalized', 'discarded')", name=op.f("drafts_state_known")
        ),
        sa.CheckConstraint(
            "(state = 'finalized') = (mask_id IS NOT NULL)", name=op.f("drafts_finalized_has_mask")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("drafts_project_id_fkey")),
        sa.ForeignKeyConstraint(["volume_id"], ["volumes.id"], name=op.f("drafts_volume_id_fkey")),
        sa.ForeignKeyConstraint(["base_mask_id"], ["masks.id"], name=op.f("drafts_base_mask_id_fkey")),
        sa.ForeignKeyConstraint(["label_set_id"], ["label_sets.id"], name=op.f("drafts_label_set_id_fkey")),
        sa.ForeignKeyConstraint(["mask_id"], ["masks.id"], name=op.f("drafts_mask_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("drafts_pkey")),
    )
    op.create_index(
        "drafts_one_open",
        "drafts",
        ["volume_id", "created_by", "base_mask_id"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("drafts_by_volume", "drafts", ["volume_id", "created_at"], unique=False)
    op.create_table(
        "draft_entries",
        sa.Column("draft_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        *_row_columns(),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("label", sa.Integer(), nullable=False),
        sa.Column("parent_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("object_key", sa.Text(), nullable=True),
        sa.CheckConstraint("(body IS NULL) <> (object_key IS NULL)", name=op.f("draft_entries_one_body")),
        sa.CheckConstraint("sequence > 0", name=op.f("draft_entries_counted_from_one")),
        sa.ForeignKeyConstraint(["draft_id"], ["drafts.id"], name=op.f("draft_entries_draft_id_fkey")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("draft_entries_project_id_fkey")),
        sa.PrimaryKeyConstraint("draft_id", "sequence", name=op.f("draft_entries_pkey")),
    )


def _create_feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False),
        *_row_columns(),
        sa.Column("volume_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("mask_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("original_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("reviewed", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("active_time_s", sa.Float(), nullable=True),
        sa.Column("voxels_changed", sa.BigInteger(), nullable=True),
        sa.Column("dice", sa.Float(), nullable=True),
        sa.Column("difference", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_sha256", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "verdict IN ('accepted', 'corrected', 'rejected')", name=op.f("feedback_verdict_known")
        ),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("feedback_rating_of_five")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("feedback_project_id_fkey")),
        sa.ForeignKeyConstraint(["volume_id"], ["volumes.id"], name=op.f("feedback_volume_id_fkey")),
        sa.ForeignKeyConstraint(["mask_id"], ["masks.id"], name=op.f("feedback_mask_id_fkey")),
        sa.ForeignKeyConstraint(["original_id"], ["masks.id"], name=op.f("feedback_original_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("feedback_pkey")),
        sa.UniqueConstraint(
            "project_id", "created_by", "idempotency_key", name="feedback_idempotency_key"
        ),
    )
    op.create_index("feedback_by_volume", "feedback", ["volume_id", "created_at"], unique=False)
    op.create_index("feedback_by_project", "feedback", ["project_id", "created_at"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("feedback")
    op.drop_table("draft_entries")
    op.drop_table("drafts")
    for name in ("active_time_s", "reviewed", "difference"):
        op.drop_column("masks", name)
