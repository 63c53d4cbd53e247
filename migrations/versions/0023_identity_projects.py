"""Whose a pushed series is was kept for no project, for none was known when its first file came; it is its project's now."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.execute(
        "UPDATE identity.texts SET project_id = received_series.project_id FROM received_series "
        "WHERE received_series.source_key = texts.source_key AND texts.project_id IS NULL"
    )


def downgrade() -> None:
    """Take back: nothing, for nobody knows which these were."""
