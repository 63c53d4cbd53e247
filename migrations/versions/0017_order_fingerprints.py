"""Asking a gateway twice for the same is one order; what is quick or urgent comes first."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "gateway_orders", sa.Column("fingerprint", sa.Text(), server_default="", nullable=False)
    )
    op.add_column(
        "gateway_orders", sa.Column("priority", sa.Integer(), server_default="0", nullable=False)
    )
    _index(["gateway", "priority", "created_at"])
    op.create_index("gateway_orders_received_series_id_idx", "gateway_orders", ["received_series_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("gateway_orders_received_series_id_idx", "gateway_orders")
    _index(["gateway", "created_at"])
    op.drop_column("gateway_orders", "priority")
    op.drop_column("gateway_orders", "fingerprint")


def _index(columns: list[str]) -> None:
    op.drop_index("gateway_orders_open", "gateway_orders")
    op.create_index(
        "gateway_orders_open",
        "gateway_orders",
        columns,
        postgresql_where=sa.text("state IN ('open', 'claimed')"),
    )
