"""By what the same CT is known again, apart from the bytes it is stored in: those depend on what packed them."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

ONE = "volumes_one_per_content"


def upgrade() -> None:
    """Apply."""
    op.add_column("volumes", sa.Column("content_sha256", sa.Text()))
    op.execute("UPDATE volumes SET content_sha256 = sha256")
    op.alter_column("volumes", "content_sha256", nullable=False)
    op.drop_constraint(ONE, "volumes")
    op.create_unique_constraint(ONE, "volumes", ["project_id", "content_sha256"])
    # A volume of a part of a series that nobody worked with yet is taken back.
    op.execute("GRANT DELETE ON volumes TO segloop_app")


def downgrade() -> None:
    """Take back."""
    op.execute("REVOKE DELETE ON volumes FROM segloop_app")
    op.drop_constraint(ONE, "volumes")
    op.create_unique_constraint(ONE, "volumes", ["project_id", "sha256"])
    op.drop_column("volumes", "content_sha256")
