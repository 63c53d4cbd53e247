"""A webhook whose receiver wants nothing more is switched off; of uploads that are over no structure's name is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("webhooks", sa.Column("switched_off_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("webhooks", sa.Column("switched_off_reason", sa.Text(), nullable=True))
    op.execute("GRANT UPDATE (switched_off_at, switched_off_reason) ON webhooks TO segloop_app")
    op.execute("UPDATE uploads SET options = options - 'label_map' WHERE state <> 'open'")


def downgrade() -> None:
    """Take back."""
    op.drop_column("webhooks", "switched_off_reason")
    op.drop_column("webhooks", "switched_off_at")
