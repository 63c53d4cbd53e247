"""Orders to gateways say which project they concern."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

FIND = """
UPDATE gateway_orders SET project_id = coalesce(
    (SELECT project_id FROM jobs WHERE jobs.id = job_id),
    (SELECT project_id FROM received_series WHERE received_series.id = received_series_id)
);
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("gateway_orders", sa.Column("project_id", sa.Uuid(as_uuid=False)))
    op.create_foreign_key(
        op.f("gateway_orders_project_id_fkey"), "gateway_orders", "projects", ["project_id"], ["id"]
    )
    op.execute(FIND)


def downgrade() -> None:
    """Take back."""
    op.drop_column("gateway_orders", "project_id")
