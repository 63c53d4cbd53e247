"""The worklist asks for the newest job of each volume."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("jobs_by_volume", "jobs", ["volume_id", "created_at"])


def downgrade() -> None:
    op.drop_index("jobs_by_volume", "jobs")
