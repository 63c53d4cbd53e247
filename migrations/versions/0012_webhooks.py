"""Webhooks and the messages to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

GRANTS = """
GRANT SELECT, INSERT ON webhooks, webhook_deliveries TO segloop_app;
GRANT UPDATE (removed_at) ON webhooks TO segloop_app;
GRANT UPDATE (state, attempts, next_try_at, last_status, last_code, ended_at) ON webhook_deliveries TO segloop_app;
GRANT DELETE ON webhook_deliveries TO segloop_app;
"""


def _uuid(name: str) -> sa.Column:
    return sa.Column(name, sa.Uuid(as_uuid=False), nullable=False)


def _now(name: str) -> sa.Column:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )


def _id() -> sa.Column:
    return sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "webhooks",
        _id(),
        _uuid("project_id"),
        sa.Column("created_by", sa.Text(), nullable=False),
        _now("created_at"),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("webhooks_pkey")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("webhooks_project_id_fkey")),
    )
    op.create_index("webhooks_by_project", "webhooks", ["project_id", "created_at"])
    op.create_table(
        "webhook_deliveries",
        _id(),
        _uuid("project_id"),
        _uuid("webhook_id"),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        _now("next_try_at"),
        sa.Column("last_status", sa.Integer()),
        sa.Column("last_code", sa.Text()),
        _now("created_at"),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_deliveries_pkey")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("webhook_deliveries_project_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("webhook_deliveries_webhook_id_fkey")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'dead')", name=op.f("webhook_deliveries_state_known")
        ),
    )
    op.create_index(
        "webhook_deliveries_due",
        "webhook_deliveries",
        ["next_try_at"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("webhook_deliveries_by_webhook", "webhook_deliveries", ["webhook_id", "created_at"])
    op.execute(GRANTS)


def downgrade() -> None:
    """Take back."""
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
