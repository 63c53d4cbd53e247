"""Workers as they tell of themselves, and what finds the jobs and events of the last hour."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "workers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column(
            "seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("gpu_used_bytes", sa.BigInteger()),
        sa.Column("gpu_total_bytes", sa.BigInteger()),
        sa.Column("disk_free_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("workers_pkey")),
    )
    op.create_index("job_events_by_time", "job_events", ["at"], postgresql_using="brin")
    op.create_index("jobs_by_end", "jobs", ["finished_at"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO segloop_app")


def downgrade() -> None:
    """Take back."""
    op.drop_index("jobs_by_end", table_name="jobs")
    op.drop_index("job_events_by_time", table_name="job_events")
    op.drop_table("workers")
