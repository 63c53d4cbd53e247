"""Whose series it is, apart from its headers: a list of cases reads a small row of each."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "texts",
        sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("source_key", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("texts_pkey")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("texts_project_id_fkey")),
        sa.UniqueConstraint("source_key", name="texts_one_per_source"),
        schema="identity",
    )
    op.create_index(op.f("texts_project_id_idx"), "texts", ["project_id"], schema="identity")
    op.execute("GRANT SELECT, INSERT, DELETE ON identity.texts TO segloop_identity")
    op.execute("GRANT UPDATE (sealed) ON identity.texts TO segloop_identity")


def downgrade() -> None:
    """Take back."""
    op.drop_table("texts", schema="identity")
