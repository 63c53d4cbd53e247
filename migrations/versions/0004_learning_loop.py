"""The learning loop: policies, test patients, training runs with their cases, evaluations, comparisons, stages."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

GRANTS = """
GRANT SELECT, INSERT ON training_policies, test_patients, training_runs, training_cases, evaluations, comparisons,
    stage_changes TO segloop_app;
GRANT UPDATE (recipe, epochs, heartbeat, log, checkpoint_key, checkpoint_at, version_id) ON training_runs TO segloop_app;
"""


def _uuid(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Uuid(as_uuid=False), nullable=nullable)


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=False)


def _json(name: str, default: str | None = None) -> sa.Column:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), server_default=default, nullable=False)


def _row_columns() -> list[sa.Column]:
    now = sa.text("clock_timestamp()")
    return [
        sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False),
        _uuid("project_id"),
        _text("created_by"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
    ]


def _keys(table: str, **references: str) -> list[sa.Constraint]:
    foreign = {"project_id": "projects.id", **references}
    return [
        sa.ForeignKeyConstraint([column], [target], name=op.f(f"{table}_{column}_fkey"))
        for column, target in foreign.items()
    ]


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "training_runs_one_active",
        "jobs",
        ["project_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'train' AND state IN ('queued', 'running')"),
    )
    _create_policies()
    _create_runs()
    _create_comparisons()
    op.execute(GRANTS)


def _create_policies() -> None:
    op.create_table(
        "training_policies",
        *_row_columns(),
        sa.Column("version", sa.Integer(), nullable=False),
        _json("body"),
        *_keys("training_policies"),
        sa.PrimaryKeyConstraint("id", name=op.f("training_policies_pkey")),
        sa.UniqueConstraint("project_id", "version", name="training_policies_one_per_version"),
    )
    op.create_table(
        "test_patients",
        *_row_columns(),
        _uuid("patient_id"),
        _text("why"),
        *_keys("test_patients", patient_id="patients.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("test_patients_pkey")),
        sa.UniqueConstraint("project_id", "patient_id", name="test_patients_once"),
    )


def _create_runs() -> None:
    op.create_table(
        "training_runs",
        *_row_columns(),
        _text("kind"),
        _text("trigger"),
        _uuid("job_id"),
        _uuid("parent_id", nullable=True),
        _uuid("label_set_id"),
        _json("policy"),
        _json("recipe"),
        _json("epochs", "[]"),
        _json("heartbeat", "{}"),
        sa.Column("log", sa.Text(), server_default="", nullable=False),
        sa.Column("checkpoint_key", sa.Text(), nullable=True),
        sa.Column("checkpoint_at", sa.DateTime(timezone=True), nullable=True),
        _uuid("version_id", nullable=True),
        sa.CheckConstraint("kind IN ('quick_tune', 'full_retrain')", name=op.f("training_runs_kind_known")),
        sa.CheckConstraint("trigger IN ('manual', 'automatic')", name=op.f("training_runs_trigger_known")),
        *_keys(
            "training_runs",
            job_id="jobs.id",
            parent_id="model_versions.id",
            label_set_id="label_sets.id",
            version_id="model_versions.id",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("training_runs_pkey")),
    )
    op.create_index("training_runs_by_project", "training_runs", ["project_id", "created_at"])
    op.create_index("training_runs_one_per_job", "training_runs", ["job_id"], unique=True)
    op.create_table(
        "training_cases",
        _uuid("training_run_id"),
        _uuid("volume_id"),
        _uuid("project_id"),
        _uuid("mask_id"),
        _uuid("patient_id"),
        _text("origin"),
        _json("reviewed"),
        sa.Column("hu_offset", sa.Float(), nullable=False),
        _text("part"),
        _text("why"),
        sa.Column("is_new", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("score_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "origin IN ('accepted', 'corrected', 'ground_truth')", name=op.f("training_cases_origin_known")
        ),
        sa.CheckConstraint(
            "part IN ('training', 'validation', 'test', 'held back')", name=op.f("training_cases_part_known")
        ),
        *_keys(
            "training_cases",
            training_run_id="training_runs.id",
            volume_id="volumes.id",
            mask_id="masks.id",
            patient_id="patients.id",
        ),
        sa.PrimaryKeyConstraint("training_run_id", "volume_id", name=op.f("training_cases_pkey")),
    )
    op.create_index("training_cases_by_patient", "training_cases", ["patient_id"])
    op.create_index("training_cases_by_mask", "training_cases", ["mask_id"])


def _create_comparisons() -> None:
    op.create_table(
        "evaluations",
        *_row_columns(),
        _uuid("model_version_id"),
        _uuid("job_id"),
        _text("cases_sha256"),
        _json("scores"),
        *_keys("evaluations", model_version_id="model_versions.id", job_id="jobs.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("evaluations_pkey")),
    )
    op.create_index("evaluations_by_version", "evaluations", ["model_version_id", "created_at"])
    op.create_table(
        "comparisons",
        *_row_columns(),
        _uuid("candidate_id"),
        _uuid("production_id", nullable=True),
        _uuid("candidate_evaluation_id"),
        _uuid("production_evaluation_id", nullable=True),
        _text("outcome"),
        _json("decision"),
        sa.CheckConstraint(
            "outcome IN ('promote', 'reject', 'not_enough_cases')", name=op.f("comparisons_outcome_known")
        ),
        *_keys(
            "comparisons",
            candidate_id="model_versions.id",
            production_id="model_versions.id",
            candidate_evaluation_id="evaluations.id",
            production_evaluation_id="evaluations.id",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("comparisons_pkey")),
    )
    op.create_index("comparisons_by_candidate", "comparisons", ["candidate_id", "created_at"])
    op.create_table(
        "stage_changes",
        *_row_columns(),
        _uuid("model_version_id"),
        _text("stage"),
        _text("reason"),
        _uuid("comparison_id", nullable=True),
        sa.Column("is_override", sa.Boolean(), server_default="false", nullable=False),
        *_keys("stage_changes", model_version_id="model_versions.id", comparison_id="comparisons.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("stage_changes_pkey")),
    )
    op.create_index("stage_changes_by_version", "stage_changes", ["model_version_id", "created_at"])


def downgrade() -> None:
    """Take back."""
    for table in (
        "stage_changes",
        "comparisons",
        "evaluations",
        "training_cases",
        "training_runs",
        "test_patients",
        "training_policies",
    ):
        op.drop_table(table)
    op.drop_index("training_runs_one_active", "jobs")
