"""People are found by an e-mail address at their first sign-in by a provider, and one sign-in there gives one session."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("people", sa.Column("email", sa.Text()))
    op.create_unique_constraint("people_email_key", "people", ["email"])
    op.create_check_constraint(op.f("people_email_lower"), "people", "email = lower(email)")
    op.add_column("sessions", sa.Column("nonce_sha256", sa.Text()))
    op.create_unique_constraint("sessions_nonce_sha256_key", "sessions", ["nonce_sha256"])
    op.execute("GRANT UPDATE (email, issuer, subject) ON people TO segloop_app")


def downgrade() -> None:
    """Take back."""
    op.execute("REVOKE UPDATE (email, issuer, subject) ON people FROM segloop_app")
    op.drop_column("sessions", "nonce_sha256")
    op.drop_column("people", "email")
