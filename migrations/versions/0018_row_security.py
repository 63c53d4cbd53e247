"""Rows belong to projects in the database, too; processes that act for nobody have a role of their own."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ALL = "(SELECT current_setting('segloop.all', true) = 'on')"
MINE = "(SELECT string_to_array(current_setting('segloop.projects', true), ',')::{type}[])::{type}[]"
OF_PROJECT = (
    "label_sets",
    "patients",
    "volumes",
    "uploads",
    "model_versions",
    "jobs",
    "job_requests",
    "masks",
    "drafts",
    "draft_entries",
    "feedback",
    "training_policies",
    "test_patients",
    "training_runs",
    "training_cases",
    "evaluations",
    "comparisons",
    "stage_changes",
    "received_series",
    "gateway_orders",
    "webhooks",
    "webhook_deliveries",
    "memberships",
    "api_keys",
)
OF_PARENT = {
    "job_events": "jobs",
    "outbox": "jobs",
    "held_jobs": "jobs",
    "upload_parts": "uploads",
}
"""Tables without a project: theirs is their parent's, whose own policy holds within the question."""
GRANTS = """
GRANT USAGE ON SCHEMA public TO segloop_worker;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO segloop_worker;
REVOKE ALL ON people, memberships, api_keys, sessions, sign_in_links FROM segloop_worker;
GRANT INSERT ON jobs, job_events, outbox, job_requests, held_jobs, masks, label_sets, model_versions, training_policies,
    test_patients, training_runs, training_cases, evaluations, comparisons, stage_changes, webhook_deliveries, audit_events,
    audit_seals, workers TO segloop_worker;
GRANT UPDATE ON jobs, outbox, held_jobs, workers TO segloop_worker;
GRANT UPDATE (stage, promoted_by, promoted_at) ON model_versions TO segloop_worker;
GRANT UPDATE (recipe, epochs, heartbeat, log, checkpoint_key, checkpoint_at, version_id) ON training_runs TO segloop_worker;
GRANT UPDATE (state, attempts, next_try_at, last_status, last_code, ended_at) ON webhook_deliveries TO segloop_worker;
GRANT DELETE ON outbox, webhook_deliveries, workers TO segloop_worker;
"""


def upgrade() -> None:
    """Apply."""
    op.execute(GRANTS)
    for table in OF_PROJECT:
        _secure(table, f"project_id = ANY ({MINE.format(type='uuid')})")
    _secure("projects", f"id = ANY ({MINE.format(type='uuid')})")
    for table, parent in OF_PARENT.items():
        column = f"{parent.removesuffix('s')}_id"
        _secure(table, f"EXISTS (SELECT 1 FROM {parent} AS parent WHERE parent.id = {table}.{column})")
    for table in ("identity.series", "identity.texts"):
        _secure(table, f"project_id = ANY ({MINE.format(type='uuid')})", role="segloop_identity")
    # Whoever is refused is put on record, too; who may read that is another question.
    _secure("audit_events", f"project_id = ANY ({MINE.format(type='text')})", append="true")


def _secure(table: str, seen: str, *, role: str = "segloop_app", append: str | None = None) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY of_owner ON {table} TO segloop_owner USING (true)")
    if role == "segloop_app":
        op.execute(f"CREATE POLICY of_worker ON {table} TO segloop_worker USING (true)")
    rule = f"{ALL} OR {seen}"
    if append is None:
        op.execute(f"CREATE POLICY of_projects ON {table} TO {role} USING ({rule})")
    else:
        op.execute(f"CREATE POLICY of_projects ON {table} FOR SELECT TO {role} USING ({rule})")
        op.execute(f"CREATE POLICY append ON {table} FOR INSERT TO {role} WITH CHECK ({append})")


def downgrade() -> None:
    """Take back."""
    tables = ("projects", *OF_PROJECT, *OF_PARENT, "identity.series", "identity.texts", "audit_events")
    for table in tables:
        for policy in ("of_owner", "of_worker", "of_projects", "append"):
            op.execute(f"DROP POLICY IF EXISTS {policy} ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM segloop_worker")
    op.execute("REVOKE ALL ON SCHEMA public FROM segloop_worker")
