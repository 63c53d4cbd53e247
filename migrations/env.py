"""Alembic's entry: runs the numbered migrations as the owner role, in one transaction."""

from alembic import context
from sqlalchemy import text

import segloop.accounts.keys.table
import segloop.accounts.links.table
import segloop.accounts.memberships.table
import segloop.accounts.sessions.table

# The declared tables, so that migrations can be checked against them.
import segloop.audit.seals.table
import segloop.audit.table
import segloop.feedback.table
import segloop.identities.table
import segloop.jobs.held.table
import segloop.jobs.requests.table
import segloop.jobs.table
import segloop.jobs.workers.table
import segloop.masks.drafts.table
import segloop.masks.table
import segloop.model_versions.table
import segloop.projects.table
import segloop.studies.orders.table
import segloop.studies.table
import segloop.training.comparisons.table
import segloop.training.policies.table
import segloop.training.runs.table
import segloop.volumes.table
import segloop.webhooks.table  # noqa: F401
from segloop.database import metadata, open_engine
from segloop.settings import owner_database_url


def run() -> None:
    """Migrate the database of `SEGLOOP_OWNER_DATABASE_URL`; two at once wait for each other."""
    url = context.config.get_main_option("sqlalchemy.url") or owner_database_url()
    engine = open_engine(url, pool_size=1)
    with engine.connect() as conn:
        context.configure(
            connection=conn,
            target_metadata=metadata,
            compare_type=True,
            compare_server_default=False,
            include_schemas=True,
        )
        with context.begin_transaction():
            conn.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('segloop.migrations', 0))"))
            context.run_migrations()
    engine.dispose()


run()
