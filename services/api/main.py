"""The HTTP API: composition and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline

from segloop import __version__, logs
from segloop.accounts.actor import read_permissions
from segloop.accounts.bearer import Bearers
from segloop.accounts.oidc.sign_in import Oidc
from segloop.broker import make_celery
from segloop.database import narrow, open_engine
from segloop.identities import store as identity_store
from segloop.imaging.sandbox import Sandbox
from segloop.settings import Settings
from segloop.storage import open_store
from services.api import errors, front, openapi
from services.api.deps import Parts, enter
from services.api.limits import Limits
from services.api.refusals import Refusals
from services.api.request_id import RequestId
from services.api.routes import (
    audit,
    compare,
    deidentified,
    dicom,
    draft_entries,
    draft_tools,
    drafts,
    feedback,
    gateways,
    health,
    identities,
    jobs,
    keys,
    masks,
    members,
    model_versions,
    people,
    projects,
    received_series,
    sessions,
    training,
    uploads,
    volume_upload,
    volumes,
    webhooks,
    worklist,
)
from services.api.sweep import sweeping
from services.api.viewer_copies import ViewerCopies
from services.api.watch import Watcher

DESCRIPTION = (
    "Research use only. Not a medical device. Errors are RFC 9457 problem documents with stable codes."
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the API, wired from the environment unless settings are given."""
    settings = settings or Settings.from_env()
    logs.configure(settings.log_level)
    # A mistake in the permissions is told at start.
    bearers = Bearers(settings.token, read_permissions(settings.token_permissions))
    engine = narrow(open_engine(settings.database_url, pool_size=10), ())  # nothing, before somebody acts
    store = open_store(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        bucket=settings.s3_bucket,
        secure=settings.s3_secure,
    )
    sandbox = Sandbox(
        memory_bytes=settings.parse_memory_bytes,
        limit_s=settings.parse_limit_s,
        spare=settings.parse_ready,
    )
    parts = Parts(
        settings,
        engine,
        store,
        make_celery(settings.redis_url),
        sandbox,
        identity_store.open_store(settings),
        Watcher(engine),
        bearers,
        Oidc.from_settings(settings),
        Limits(settings),
        ViewerCopies(narrow(engine, None), store, sandbox, settings.scratch),
        Refusals(engine),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with sweeping(parts), parts.refusals.telling():
            yield
        parts.copies.close()
        parts.sandbox.close()
        parts.limits.close()
        parts.engine.dispose()
        if parts.identities is not None:
            parts.identities.engine.dispose()

    app = FastAPIOffline(title="Segloop", version=__version__, description=DESCRIPTION, lifespan=lifespan)
    app.state.parts = parts
    errors.install(app)
    front.install(app, settings)
    app.add_middleware(RequestId)
    app.include_router(health.router, dependencies=[Depends(enter)])
    for module in (
        audit,
        sessions,
        people,
        members,
        keys,
        projects,
        uploads,
        volume_upload,
        volumes,
        jobs,
        masks,
        compare,
        deidentified,
        dicom,
        drafts,
        draft_entries,
        draft_tools,
        feedback,
        identities,
        gateways,
        received_series,
        model_versions,
        training,
        webhooks,
        worklist,
    ):
        app.include_router(module.router, prefix="/v1", dependencies=[Depends(enter)])
    openapi.install(app)
    return app
