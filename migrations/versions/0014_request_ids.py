"""The id of the request that asked for a job, so that one id leads from its answer to the worker's log."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("jobs", sa.Column("request_id", sa.Text()))
    op.add_column("outbox", sa.Column("request_id", sa.Text()))


def downgrade() -> None:
    """Take back."""
    op.drop_column("outbox", "request_id")
    op.drop_column("jobs", "request_id")
