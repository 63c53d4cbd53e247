"""The first tables, the grants of the application role, and the default project."""

import json

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


ORGANS = [
    ("brainstem", "#f2d338", "15926001"),
    ("spinal_cord", "#4aa3ff", "2748008"),
    ("parotid_right", "#e8683f", "45289007:272741003=24028007"),
    ("parotid_left", "#8fd14f", "45289007:272741003=7771000"),
    ("mandible", "#2bd9c0", "91609006"),
    ("larynx", "#c77dff", "4596009"),
    ("esophagus", "#ff8fab", "32849002"),
]

GRANTS = """
GRANT USAGE ON SCHEMA public TO segloop_app;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO segloop_app;
GRANT INSERT ON projects, label_sets, patients, volumes, uploads, upload_parts, model_versions, jobs, job_events,
    outbox, masks, audit_events TO segloop_app;
GRANT UPDATE ON jobs, outbox, uploads, upload_parts TO segloop_app;
GRANT UPDATE (stage, promoted_by, promoted_at) ON model_versions TO segloop_app;
GRANT DELETE ON outbox TO segloop_app;
"""


def _seed() -> None:
    labels = [
        {"index": index, "name": name, "color": color, "snomed_code": code}
        for index, (name, color, code) in enumerate(ORGANS, start=1)
    ]
    statement = sa.text(
        """WITH p AS (INSERT INTO projects (slug, name, created_by)
                      VALUES ('default', 'Head and neck', 'system') RETURNING id)
           INSERT INTO label_sets (project_id, version, labels, created_by)
           SELECT p.id, 1, CAST(:labels AS jsonb), 'system' FROM p"""
    )
    op.get_bind().execute(statement, {"labels": json.dumps(labels)})


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_events_pkey")),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("projects_pkey")),
        sa.UniqueConstraint("slug", name=op.f("projects_slug_key")),
    )
    op.create_table(
        "label_sets",
        sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("label_sets_project_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("label_sets_pkey")),
        sa.UniqueConstraint("project_id", "version", name="label_sets_one_per_version"),
    )
    op.create_table(
        "patients",
        sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("pseudonym", sa.Text(), nullable=False),
        sa.Column("is_known", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("patients_project_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("patients_pkey")),
        sa.UniqueConstraint("project_id", "pseudonym", name="patients_one_per_pseudonym"),
    )
    op.create_table(
        "model_versions",
        sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("stage", sa.Text(), server_default="candidate", nullable=False),
        sa.Column("label_set_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("orientation", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), server_default="", nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("promoted_by", sa.Text(), nullable=True),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "stage IN ('candidate', 'production', 'retired', 'rejected')",
            name=op.f("model_versions_stage_known"),
        ),
        sa.ForeignKeyConstraint(
            ["label_set_id"], ["label_sets.id"], name=op.f("model_versions_label_set_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["model_versions.id"], name=op.f("model_versions_parent_id_fkey")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("model_versions_project_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("model_versions_pkey")),
        sa.UniqueConstraint("project_id", "number", name="model_versions_one_per_number"),
        sa.UniqueConstraint("project_id", "sha256", name="model_versions_one_per_content"),
    )
    op.create_index(
        "model_versions_one_production",
        "model_versions",
        ["project_id"],
        unique=True,
        postgresql_where=sa.text("stage = 'production'"),
    )
    op.create_table(
        "volumes",
        sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("patient_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("case_reference", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("is_gzip", sa.Boolean(), nullable=False),
        sa.Column("shape", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("affine", postgresql.ARRAY(sa.Float()), nullable=False),
        sa.Column("spacing_mm", postgresql.ARRAY(sa.Float()), nullable=False),
        sa.Column("orientation", sa.Text(), nullable=False),
        sa.Column("hu_min", sa.Float(), nullable=False),
        sa.Column("hu_max", sa.Float(), nullable=False),
        sa.Column("is_hu_like", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "cardinality(shape) = 3 AND cardinality(affine) = 16", name=op.f("volumes_geometry_is_3d")
        ),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("volumes_patient_id_fkey")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("volumes_project_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("volumes_pkey")),
        sa.UniqueConstraint("project_id", "sha256", name="volumes_one_per_content"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("stage", sa.Text(), server_default="queued", nullable=False),
        sa.Column("progress", sa.Float(), server_default="0", nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("volume_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("model_version_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("mask_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("timings", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_sha256", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("interruptions", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("dead_letter", sa.Boolean(), server_default="false", nullable=False),
        sa.Column(
            "queued_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (lease_expires_at IS NOT NULL)", name=op.f("jobs_lease_while_running")
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')",
            name=op.f("jobs_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_versions.id"], name=op.f("jobs_model_version_id_fkey")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("jobs_project_id_fkey")),
        sa.ForeignKeyConstraint(["volume_id"], ["volumes.id"], name=op.f("jobs_volume_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("jobs_pkey")),
        sa.UniqueConstraint("project_id", "created_by", "idempotency_key", name="jobs_idempotency_key"),
    )
    op.create_index("jobs_by_project", "jobs", ["project_id", "created_at", "id"], unique=False)
    op.create_index(
        "jobs_queued",
        "jobs",
        ["queue", "priority", "created_at"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "jobs_running",
        "jobs",
        ["lease_expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("part_bytes", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("patient_reference_hmac", sa.Text(), nullable=True),
        sa.Column("case_reference", sa.Text(), nullable=False),
        sa.Column("volume_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("result_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("purpose IN ('volume', 'mask')", name=op.f("uploads_purpose_known")),
        sa.CheckConstraint(
            "state IN ('open', 'completed', 'aborted', 'refused')", name=op.f("uploads_state_known")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("uploads_project_id_fkey")),
        sa.ForeignKeyConstraint(["volume_id"], ["volumes.id"], name=op.f("uploads_volume_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("uploads_pkey")),
    )
    op.create_table(
        "job_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("job_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("job_events_job_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("job_events_pkey")),
    )
    op.create_index(op.f("job_events_job_id_idx"), "job_events", ["job_id"], unique=False)
    op.create_table(
        "masks",
        sa.Column("id", sa.Uuid(as_uuid=False), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("volume_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("label_set_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("model_version_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("job_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("parent_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("profile", sa.Text(), nullable=True),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("statistics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "(kind = 'prediction') = (model_version_id IS NOT NULL)",
            name=op.f("masks_prediction_names_its_version"),
        ),
        sa.CheckConstraint(
            "kind IN ('prediction', 'correction', 'ground_truth', 'imported')", name=op.f("masks_kind_known")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("masks_job_id_fkey")),
        sa.ForeignKeyConstraint(["label_set_id"], ["label_sets.id"], name=op.f("masks_label_set_id_fkey")),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_versions.id"], name=op.f("masks_model_version_id_fkey")
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["masks.id"], name=op.f("masks_parent_id_fkey")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("masks_project_id_fkey")),
        sa.ForeignKeyConstraint(["volume_id"], ["volumes.id"], name=op.f("masks_volume_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("masks_pkey")),
    )
    op.create_index("masks_by_volume", "masks", ["volume_id", "created_at"], unique=False)
    op.create_index("masks_one_per_job", "masks", ["job_id"], unique=True)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("job_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("outbox_job_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("outbox_pkey")),
    )
    op.create_table(
        "upload_parts",
        sa.Column("upload_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["upload_id"], ["uploads.id"], name=op.f("upload_parts_upload_id_fkey")),
        sa.PrimaryKeyConstraint("upload_id", "number", name=op.f("upload_parts_pkey")),
    )
    op.execute(GRANTS)
    _seed()


def downgrade() -> None:
    """Take back."""
    op.drop_table("upload_parts")
    op.drop_table("outbox")
    op.drop_index("masks_one_per_job", table_name="masks")
    op.drop_index("masks_by_volume", table_name="masks")
    op.drop_table("masks")
    op.drop_index(op.f("job_events_job_id_idx"), table_name="job_events")
    op.drop_table("job_events")
    op.drop_table("uploads")
    op.drop_index("jobs_running", table_name="jobs", postgresql_where=sa.text("state = 'running'"))
    op.drop_index("jobs_queued", table_name="jobs", postgresql_where=sa.text("state = 'queued'"))
    op.drop_index("jobs_by_project", table_name="jobs")
    op.drop_table("jobs")
    op.drop_table("volumes")
    op.drop_index(
        "model_versions_one_production",
        table_name="model_versions",
        postgresql_where=sa.text("stage = 'production'"),
    )
    op.drop_table("model_versions")
    op.drop_table("patients")
    op.drop_table("label_sets")
    op.drop_table("projects")
    op.drop_table("audit_events")
