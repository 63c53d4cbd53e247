"""What somebody was in the project when they made or judged a mask: results that leave the house say it."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_TABLES = ("masks", "feedback")


def upgrade() -> None:
    """Apply."""
    for table in _TABLES:
        op.add_column(table, sa.Column("created_by_role", sa.Text(), nullable=True))


def downgrade() -> None:
    """Take back."""
    for table in _TABLES:
        op.drop_column(table, "created_by_role")
