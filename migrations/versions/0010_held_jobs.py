"""Jobs that wait for their CT, and by which key a series is found again."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("volumes", sa.Column("series_key", sa.Text()))
    op.create_index("volumes_series_key_idx", "volumes", ["series_key"])
    op.create_table(
        "held_jobs",
        sa.Column("job_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("received_series_id", sa.Uuid(as_uuid=False)),
        sa.Column("follows_job_id", sa.Uuid(as_uuid=False)),
        sa.PrimaryKeyConstraint("job_id", name=op.f("held_jobs_pkey")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("held_jobs_job_id_fkey")),
        sa.ForeignKeyConstraint(
            ["received_series_id"],
            ["received_series.id"],
            name=op.f("held_jobs_received_series_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["follows_job_id"], ["jobs.id"], name=op.f("held_jobs_follows_job_id_fkey")
        ),
    )
    op.create_index("held_jobs_received_series_id_idx", "held_jobs", ["received_series_id"])
    op.execute("GRANT SELECT, INSERT, UPDATE ON held_jobs TO segloop_app")


def downgrade() -> None:
    """Take back."""
    op.drop_table("held_jobs")
    op.drop_index("volumes_series_key_idx", "volumes")
    op.drop_column("volumes", "series_key")
