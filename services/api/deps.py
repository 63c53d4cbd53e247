"""What routes depend on: the composition of this process, one transaction per request, and who acts."""

import base64
import binascii
import hmac
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from celery import Celery
from fastapi import Depends, Query, Request

from segloop.accounts import tickets
from segloop.accounts.actor import Actor
from segloop.accounts.bearer import Bearers
from segloop.accounts.oidc.sign_in import Oidc
from segloop.database import Connection, Engine, narrow, transaction
from segloop.errors import InvalidInput
from segloop.identities.store import IdentityStore
from segloop.imaging.sandbox import Sandbox
from segloop.projects.table import is_uuid
from segloop.settings import Settings
from segloop.storage import ObjectStore
from services.api import objects, rules
from services.api.limits import Limits
from services.api.objects import require_uuid
from services.api.refusals import ACTOR, Refusals
from services.api.viewer_copies import ViewerCopies
from services.api.watch import Watcher

__all__ = ["require_uuid"]


@dataclass(frozen=True)
class Parts:
    """The clients of this process, made once at start."""

    settings: Settings
    engine: Engine
    store: ObjectStore
    celery: Celery
    sandbox: Sandbox
    identities: IdentityStore | None
    watcher: Watcher
    bearers: Bearers
    oidc: Oidc | None
    limits: Limits
    copies: ViewerCopies
    refusals: Refusals

    def narrow(self, projects: Collection[str] | None) -> "Parts":
        """Return the parts for some projects, or (None) for all: what else the database has, they don't see."""
        identities = None if self.identities is None else self.identities.narrow(projects)
        return replace(self, engine=narrow(self.engine, projects), identities=identities)


NOBODY = Actor("anonymous")
"""Who acts where nobody need be signed in: without a role anywhere."""


@dataclass(frozen=True)
class Entry:
    """A request that was let in: who acts, and the parts that they may use."""

    actor: Actor
    parts: Parts


def enter(request: Request) -> Entry:
    """Let a request in by the rule of its operation, before anything else looks at it.

    Raises:
        Unauthorized: `unauthorized`, `key_revoked`, `key_expired`, `ticket_invalid`, `ticket_expired`.
        Forbidden: `role_missing`, `permission_missing`, `key_not_allowed`. TooMany: `too_many_credentials`, `too_many_posts`.
        NotFound: as an absent object's, for one of a project that is not the actor's; InvalidInput: `id_invalid`.
    """
    parts: Parts = request.app.state.parts
    anything = narrow(parts.engine, None)
    authorization = request.headers.get("authorization")
    rule = rules.of(request.scope["endpoint"])
    if rule.needs is rules.Level.ANYBODY:
        return Entry(NOBODY, parts)
    if rule.needs is rules.Level.METRICS and _is_metrics_token(parts.settings.metrics_token, authorization):
        return Entry(NOBODY, parts.narrow(None))
    named = [(kind, request.path_params[kind]) for kind in objects.KINDS if kind in request.path_params]
    ticket = request.query_params.get("ticket") if rule.ticket else None
    with parts.limits.credential(address_of(request)):
        if ticket is None:
            actor = parts.bearers.actor(anything, authorization)
        else:
            key = parts.settings.ticket_key
            reference = tickets.check(ticket, object_id=named[0][1], scope="read", key=key)
            actor = parts.bearers.again(anything, reference).without_permissions()
    if request.method == "POST":
        parts.limits.post(actor)
    request.scope[ACTOR] = actor  # for the record of refusals
    named += [(kind, request.query_params[name]) for name, kind in rule.also if name in request.query_params]
    parts = parts.narrow(actor.projects)
    _allow(rule, actor, parts.engine, named)
    if rule.no_key:
        actor.require_no_key()
    return Entry(actor, parts)


def address_of(request: Request) -> str:
    """Return the address that a request came from, as the server in front of us tells it where that is trusted."""
    return request.client.host if request.client else ""


def _is_metrics_token(token: str, authorization: str | None) -> bool:
    given = (authorization or "").removeprefix("Bearer ")
    return bool(token) and hmac.compare_digest(given.encode(), token.encode())


def _allow(rule: rules.Rule, actor: Actor, engine: Engine, named: list[tuple[str, str]]) -> None:
    if rule.needs in (rules.Level.SITE_ADMIN, rules.Level.METRICS):
        actor.require_site_admin()
    if isinstance(rule.needs, rules.Level):
        return
    project_id = None
    if named and not actor.is_site_admin:
        with transaction(engine) as conn:
            found = [objects.require(conn, actor, kind, value, rule.needs) for kind, value in named]
        project_id = found[0]
    if rule.permission is not None and (named or not actor.may_somewhere(rule.permission)):
        actor.require_permission(rule.permission, project_id)


EntryDep = Annotated[Entry, Depends(enter)]


def parts(entry: EntryDep) -> Parts:
    """Return the process's parts."""
    return entry.parts


PartsDep = Annotated[Parts, Depends(parts)]


def current_actor(entry: EntryDep) -> Actor:
    """Return who acts."""
    return entry.actor


ActorDep = Annotated[Actor, Depends(current_actor)]


def reader(entry: EntryDep, ticket: Annotated[str | None, Query(max_length=1000)] = None) -> Actor:
    """Return who reads an object's content: from a bearer value, or a ticket for exactly this object."""
    return entry.actor


ReaderDep = Annotated[Actor, Depends(reader)]


def connection(parts: PartsDep, actor: ActorDep) -> Iterator[Connection]:
    """Open the request's transaction, for signed-in actors only."""
    with transaction(parts.engine) as conn:
        yield conn


# scope="function": the transaction commits before the client has its answer, not after.
ConnectionDep = Annotated[Connection, Depends(connection, scope="function")]


Before = tuple[datetime, str]


def cursor(
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Before | None:
    """Decode a list's cursor into the (created_at, id) of the last item seen."""
    if cursor is None:
        return None
    try:
        at, _, last_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        if not is_uuid(last_id):
            raise ValueError
        return datetime.fromisoformat(at), last_id
    except (ValueError, binascii.Error, UnicodeDecodeError):
        raise InvalidInput(
            "cursor_invalid",
            "This cursor is not valid; start the list again without it.",
        ) from None


CursorDep = Annotated[Before | None, Depends(cursor)]
LimitDep = Annotated[int, Query(ge=1, le=200)]


def next_cursor(items: list[tuple[datetime, str]], limit: int) -> str | None:
    """Return the cursor after a full page, or None at the end."""
    if len(items) < limit:
        return None
    at, last_id = items[-1]
    return base64.urlsafe_b64encode(f"{at.isoformat()}|{last_id}".encode()).decode()
