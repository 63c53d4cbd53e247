"""One job for the same work, whoever asks for it; several requests may name it, each with its own key."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEEP = """
INSERT INTO job_requests (project_id, created_by, idempotency_key, request_sha256, job_id, created_at)
SELECT project_id, created_by, idempotency_key, request_sha256, id, created_at FROM jobs WHERE idempotency_key IS NOT NULL;
GRANT SELECT, INSERT ON job_requests TO segloop_app;
"""
TAKE_BACK = """
UPDATE jobs SET idempotency_key = first.idempotency_key, request_sha256 = first.request_sha256
FROM (SELECT DISTINCT ON (job_id) * FROM job_requests ORDER BY job_id, created_at) AS first
WHERE first.job_id = jobs.id AND first.created_by = jobs.created_by;
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "job_requests",
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("job_requests_job_id_fkey")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("job_requests_project_id_fkey")),
        sa.PrimaryKeyConstraint("project_id", "created_by", "idempotency_key", name="job_requests_pkey"),
    )
    op.execute(KEEP)
    op.drop_constraint("jobs_idempotency_key", "jobs")
    op.drop_column("jobs", "idempotency_key")
    op.drop_column("jobs", "request_sha256")
    op.add_column("jobs", sa.Column("natural_key", sa.Text()))
    op.create_index(
        "jobs_one_per_work",
        "jobs",
        ["project_id", "natural_key"],
        unique=True,
        postgresql_where=sa.text(
            "state IN ('queued', 'running', 'succeeded') AND cancel_requested_at IS NULL"
        ),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("jobs_one_per_work", table_name="jobs")
    op.drop_column("jobs", "natural_key")
    op.add_column("jobs", sa.Column("request_sha256", sa.Text(), server_default="", nullable=False))
    op.alter_column("jobs", "request_sha256", server_default=None)
    op.add_column("jobs", sa.Column("idempotency_key", sa.Text()))
    op.execute(TAKE_BACK)
    op.create_unique_constraint(
        "jobs_idempotency_key", "jobs", ["project_id", "created_by", "idempotency_key"]
    )
    op.drop_table("job_requests")
