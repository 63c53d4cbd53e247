"""Erase what is no longer to be kept, when the API starts and every hour: unfinished uploads, headers and identities, sessions and links that are over."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from starlette.concurrency import run_in_threadpool

from segloop.accounts.links import table as links_table
from segloop.accounts.sessions import table as sessions_table
from segloop.audit.record import record
from segloop.database import Connection, transaction
from segloop.studies import table as studies_table
from segloop.volumes import table as volumes_table
from segloop.volumes import upload
from services.api.deps import Parts
from services.api.repeating import repeating

log = logging.getLogger(__name__)
STALE, SWEEPER = timedelta(days=2), "sweeper"
REFUSED = timedelta(days=7)
"""How long it is known whose a received series was that came to nothing: somebody has to look into refusals."""
OVER_DAYS = 30
"""How long sessions and one-time links are kept after their end; the audit record keeps who signed in."""
EVERY_S = 3600.0
NAMED: tuple[Callable[[Connection], set[str]], ...] = (
    volumes_table.list_source_keys,
    studies_table.list_source_keys,
)
"""Who names entries of the identity store: each returns the source keys of its rows, in all projects."""


def sweep(parts: Parts) -> None:
    """Erase once; what can't be erased now is at the next time, for it must not keep the API from serving."""
    parts = parts.narrow(None)
    for one in (_unfinished_uploads, _unnamed_identities, _old_identities, _old_sign_ins):
        try:
            one(parts)
        except Exception as error:
            log.warning("%s were not swept: %s", one.__name__.strip("_"), type(error).__name__)


@asynccontextmanager
async def sweeping(parts: Parts) -> AsyncIterator[None]:
    """Erase before the block begins, and every hour while it lasts."""
    await run_in_threadpool(sweep, parts)
    async with repeating(partial(sweep, parts), EVERY_S):
        yield


def _unfinished_uploads(parts: Parts) -> None:
    with transaction(parts.engine) as conn:
        stale = volumes_table.list_open_uploads(conn, older_than=STALE)
        for upload_id in stale:
            upload.abort(conn, upload_id, actor=SWEEPER)
    for upload_id in stale:
        upload.discard_parts(parts.store, upload_id)
    if stale:
        log.info("%d unfinished uploads were erased", len(stale))


def _unnamed_identities(parts: Parts) -> None:
    if parts.identities is None:
        return
    with transaction(parts.engine) as conn:
        studies_table.forget_refused(conn, older_than=REFUSED)
        named = set().union(*(list_keys(conn) for list_keys in NAMED))
    n = parts.identities.sweep(named, older_than=STALE)
    if n:
        log.info("%d series in the identity store that nothing names were erased", n)


def _old_identities(parts: Parts) -> None:
    """Erase headers and identities at the end of the time that the installation keeps them."""
    days = parts.settings.identity_keep_days
    if parts.identities is None or days <= 0:
        return
    n = parts.identities.sweep(set(), older_than=timedelta(days=days))
    if not n:
        return
    with transaction(parts.engine) as conn:
        record(
            conn, actor=SWEEPER, action="identity.erased", object_type="identity", n_series=n, keep_days=days
        )
    log.info("%d series in the identity store were older than %d days and were erased", n, days)


def _old_sign_ins(parts: Parts) -> None:
    with transaction(parts.engine) as conn:
        n = sessions_table.drop_old(conn, days=OVER_DAYS) + links_table.drop_old(conn, days=OVER_DAYS)
    if n:
        log.info("%d sessions and links were over for %d days and were erased", n, OVER_DAYS)
