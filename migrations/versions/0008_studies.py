"""Gateways, the series they report, and orders to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON gateways, received_series, gateway_orders TO segloop_app;
"""
NOW = sa.text("clock_timestamp()")


def _uuid(name: str, *, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.Uuid(as_uuid=False), nullable=nullable)


def _text(name: str, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _time(name: str, default: sa.TextClause | None = NOW) -> sa.Column:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=default, nullable=default is None
    )


def _json(name: str, default: str | None = None) -> sa.Column:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), server_default=default, nullable=False)


def _id() -> sa.Column:
    return sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False)


def _keys(table: str, **references: str) -> list[sa.Constraint]:
    return [
        sa.ForeignKeyConstraint([column], [target], name=op.f(f"{table}_{column}_fkey"))
        for column, target in references.items()
    ]


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "gateways",
        _text("aet"),
        _text("created_by"),
        _time("created_at"),
        _json("state"),
        _time("seen_at"),
        sa.PrimaryKeyConstraint("aet", name=op.f("gateways_pkey")),
    )
    op.create_table(
        "received_series",
        _id(),
        _uuid("project_id"),
        _text("created_by"),
        _time("created_at"),
        _text("gateway"),
        _text("key"),
        _text("study_key", ""),
        _text("series_key", ""),
        sa.Column("source_key", sa.Text()),
        _text("route"),
        _text("sender"),
        _text("stage"),
        sa.Column("n_instances", sa.Integer(), nullable=False),
        _text("rule"),
        _text("code"),
        _text("message"),
        _uuid("volume_id"),
        _uuid("job_id"),
        _uuid("mask_id"),
        _json("deliveries", "[]"),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        _time("reported_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("received_series_pkey")),
        *_keys(
            "received_series",
            project_id="projects.id",
            gateway="gateways.aet",
            volume_id="volumes.id",
            job_id="jobs.id",
            mask_id="masks.id",
        ),
        sa.UniqueConstraint("gateway", "key", name="received_series_one_per_key"),
    )
    op.create_index("received_series_by_time", "received_series", ["received_at", "id"])
    op.create_index("received_series_by_series", "received_series", ["series_key"])
    op.create_table(
        "gateway_orders",
        _id(),
        _text("created_by"),
        _time("created_at"),
        _text("gateway"),
        _text("kind"),
        _text("state", "open"),
        sa.Column("payload", sa.LargeBinary()),
        _uuid("received_series_id"),
        _uuid("job_id"),
        _text("code", ""),
        _text("message", ""),
        _json("result", "{}"),
        _time("claimed_at", None),
        _time("finished_at", None),
        sa.PrimaryKeyConstraint("id", name=op.f("gateway_orders_pkey")),
        *_keys(
            "gateway_orders",
            gateway="gateways.aet",
            received_series_id="received_series.id",
            job_id="jobs.id",
        ),
        sa.CheckConstraint(
            "kind IN ('retrieve', 'redeliver', 'route', 'echo')", name=op.f("gateway_orders_kind_known")
        ),
        sa.CheckConstraint(
            "state IN ('open', 'claimed', 'done', 'failed')", name=op.f("gateway_orders_state_known")
        ),
    )
    op.create_index(
        "gateway_orders_open",
        "gateway_orders",
        ["gateway", "created_at"],
        postgresql_where=sa.text("state IN ('open', 'claimed')"),
    )
    # Of a series that no rule took, whose project nobody knows, it is known whose it is.
    op.alter_column("texts", "project_id", schema="identity", nullable=True)
    op.execute(GRANTS)


def downgrade() -> None:
    """Take back."""
    op.execute("DELETE FROM identity.texts WHERE project_id IS NULL")
    op.alter_column("texts", "project_id", schema="identity", nullable=False)
    op.drop_table("gateway_orders")
    op.drop_table("received_series")
    op.drop_table("gateways")
