"""DICOM: where a volume's headers are, and the identity store, which only a role of its own reaches."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

GRANTS = """
REVOKE ALL ON SCHEMA identity FROM PUBLIC;
GRANT USAGE ON SCHEMA identity TO segloop_identity;
GRANT SELECT, INSERT, DELETE ON identity.series TO segloop_identity;
GRANT UPDATE (source_key) ON volumes TO segloop_app;
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("volumes", sa.Column("source_key", sa.Text()))
    op.add_column(
        "volumes",
        sa.Column(
            "notes", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False
        ),
    )
    op.execute("CREATE SCHEMA identity")
    op.create_table(
        "series",
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
        sa.PrimaryKeyConstraint("id", name=op.f("series_pkey")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("series_project_id_fkey")),
        sa.UniqueConstraint("source_key", name="series_one_per_source"),
        schema="identity",
    )
    op.execute(GRANTS)


def downgrade() -> None:
    """Take back."""
    op.execute("REVOKE UPDATE (source_key) ON volumes FROM segloop_app")
    op.drop_table("series", schema="identity")
    op.execute("DROP SCHEMA identity")
    op.drop_column("volumes", "notes")
    op.drop_column("volumes", "source_key")
