"""The audit record is only ever appended to, and sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

APPEND_ONLY = """
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only ever appended to', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
"""
TRIGGER = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_seals",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column(
            "sealed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("audit_seals_pkey")),
        sa.UniqueConstraint("event_id", name=op.f("audit_seals_event_id_key")),
    )
    op.create_index("audit_events_by_time", "audit_events", ["at", "id"])
    op.execute(APPEND_ONLY)
    for table in ("audit_events", "audit_seals"):
        op.execute(TRIGGER.format(table=table))
    op.execute("GRANT SELECT, INSERT ON audit_seals TO segloop_app")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TRIGGER audit_events_append_only ON audit_events")
    op.drop_table("audit_seals")
    op.execute("DROP FUNCTION append_only()")
    op.drop_index("audit_events_by_time", "audit_events")
