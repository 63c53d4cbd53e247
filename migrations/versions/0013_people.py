"""People, their memberships, sessions and one-time links, and the API keys of service accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

GRANTS = """
GRANT SELECT, INSERT ON people, memberships, api_keys, sessions, sign_in_links TO segloop_app;
GRANT UPDATE (display_name, is_site_admin, switched_off_at) ON people TO segloop_app;
GRANT UPDATE (role, permissions, created_by), DELETE ON memberships TO segloop_app;
GRANT UPDATE (revoked_at, last_used_at) ON api_keys TO segloop_app;
GRANT UPDATE (ended_at), DELETE ON sessions TO segloop_app;
GRANT UPDATE (used_at), DELETE ON sign_in_links TO segloop_app;
"""
ROLES = "role IN ('viewer', 'annotator', 'reviewer', 'admin')"
NAME = "name ~ '^[a-z0-9][a-z0-9._@+-]{0,99}$' AND name NOT IN ('local', 'system', 'sweeper', 'worker')"


def _id() -> sa.Column:
    return sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False)


def _uuid(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Uuid(as_uuid=False), nullable=nullable)


def _text(name: str, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _created_at() -> sa.Column:
    now = sa.text("clock_timestamp()")
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False)


def _time(name: str, *, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _permissions() -> sa.Column:
    return sa.Column("permissions", sa.ARRAY(sa.Text()), server_default="{}", nullable=False)


def _key(table: str, column: str, target: str) -> sa.Constraint:
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f"{table}_{column}_fkey"))


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "people",
        _id(),
        _text("created_by"),
        _created_at(),
        _text("name"),
        _text("display_name", ""),
        sa.Column("issuer", sa.Text()),
        sa.Column("subject", sa.Text()),
        sa.Column("is_site_admin", sa.Boolean(), server_default="false", nullable=False),
        _time("switched_off_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("people_pkey")),
        sa.UniqueConstraint("name", name=op.f("people_name_key")),
        sa.UniqueConstraint("issuer", "subject", name="people_one_per_subject"),
        sa.CheckConstraint(
            "(issuer IS NULL) = (subject IS NULL)", name=op.f("people_issuer_and_subject")
        ),
        sa.CheckConstraint(NAME, name=op.f("people_name_free")),
    )
    op.create_table(
        "memberships",
        _uuid("project_id"),
        _uuid("person_id"),
        _text("created_by"),
        _created_at(),
        _text("role"),
        _permissions(),
        sa.PrimaryKeyConstraint("project_id", "person_id", name=op.f("memberships_pkey")),
        _key("memberships", "project_id", "projects.id"),
        _key("memberships", "person_id", "people.id"),
        sa.CheckConstraint(ROLES, name=op.f("memberships_role_known")),
    )
    op.create_index(op.f("memberships_person_id_idx"), "memberships", ["person_id"])
    op.create_table(
        "api_keys",
        _id(),
        _text("created_by"),
        _created_at(),
        _uuid("project_id", nullable=True),
        _text("name"),
        _text("acts_as"),
        sa.Column("role", sa.Text()),
        _permissions(),
        _text("secret_sha256"),
        _time("expires_at", nullable=False),
        _time("revoked_at"),
        _time("last_used_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("api_keys_pkey")),
        _key("api_keys", "project_id", "projects.id"),
        sa.UniqueConstraint("acts_as", name=op.f("api_keys_acts_as_key")),
        sa.UniqueConstraint(
            "project_id", "name", name="api_keys_one_per_name", postgresql_nulls_not_distinct=True
        ),
        sa.CheckConstraint(ROLES, name=op.f("api_keys_role_known")),
        sa.CheckConstraint("(project_id IS NULL) = (role IS NULL)", name=op.f("api_keys_role_in_a_project")),
    )
    op.create_index(op.f("api_keys_project_id_idx"), "api_keys", ["project_id"])
    op.create_table(
        "sessions",
        _id(),
        _uuid("person_id"),
        _created_at(),
        _text("secret_sha256"),
        _time("expires_at", nullable=False),
        _time("ended_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("sessions_pkey")),
        _key("sessions", "person_id", "people.id"),
    )
    op.create_index(op.f("sessions_person_id_idx"), "sessions", ["person_id"])
    op.create_table(
        "sign_in_links",
        _id(),
        _text("created_by"),
        _created_at(),
        _uuid("person_id"),
        _text("code_sha256"),
        _time("expires_at", nullable=False),
        _time("used_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("sign_in_links_pkey")),
        _key("sign_in_links", "person_id", "people.id"),
        sa.UniqueConstraint("code_sha256", name=op.f("sign_in_links_code_sha256_key")),
    )
    op.execute(GRANTS)


def downgrade() -> None:
    """Take back."""
    for table in ("sign_in_links", "sessions", "api_keys", "memberships", "people"):
        op.drop_table(table)
