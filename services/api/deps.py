"""What routes depend on: the composition of this process, one transaction per request, and who acts."""

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from celery import Celery
from fastapi import Depends, Header, Query, Request

from segloop.accounts import tickets
from segloop.accounts.actor import Actor
from segloop.accounts.bearer import Bearers
from segloop.database import Connection, Engine, transaction
from segloop.errors import InvalidInput
from segloop.identities.store import IdentityStore
from segloop.imaging.sandbox import Sandbox
from segloop.projects.table import is_uuid
from segloop.settings import Settings
from segloop.storage import ObjectStore
from services.api.watch import Watcher


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


def parts(request: Request) -> Parts:
    """Return the process's parts."""
    found = request.app.state.parts
    assert isinstance(found, Parts)
    return found


PartsDep = Annotated[Parts, Depends(parts)]


def signed_in(parts: PartsDep, authorization: Annotated[str | None, Header()] = None) -> Actor:
    """Return who acts, from the bearer value."""
    return parts.bearers.actor(parts.engine, authorization)


SignedInDep = Annotated[Actor, Depends(signed_in)]


def current_actor(actor: SignedInDep) -> Actor:
    """Return who acts, where they may do everything."""
    actor.require_site_admin()
    return actor


ActorDep = Annotated[Actor, Depends(current_actor)]


def _permitted(permission: str) -> Callable[[Actor], Actor]:
    def check(actor: ActorDep) -> Actor:
        actor.require_permission(permission)
        return actor

    return check


IdentityActorDep = Annotated[Actor, Depends(_permitted("identity"))]
"""Who may know whose CT it is."""
ExportActorDep = Annotated[Actor, Depends(_permitted("export"))]
"""Who may have CTs for research."""


def connection(parts: PartsDep, actor: ActorDep) -> Iterator[Connection]:
    """Open the request's transaction, for signed-in actors only."""
    with transaction(parts.engine) as conn:
        yield conn


# scope="function": the transaction commits before the client has its answer, not after.
ConnectionDep = Annotated[Connection, Depends(connection, scope="function")]


def reader(parts: Parts, authorization: str | None, ticket: str | None, *, object_id: str) -> Actor:
    """Return who reads an object's content: from a bearer value, or a ticket for exactly this object."""
    if ticket is None:
        actor = parts.bearers.actor(parts.engine, authorization)
    else:
        key = parts.settings.ticket_key
        reference = tickets.check(ticket, object_id=object_id, scope="read", key=key)
        actor = parts.bearers.again(parts.engine, reference)
    actor.require_site_admin()
    return actor


def require_uuid(value: str) -> str:
    """Return an id that has a UUID's form; anything else names nothing we have.

    Raises:
        InvalidInput: `id_invalid`.
    """
    if not is_uuid(value):
        raise InvalidInput("id_invalid", "This id is not valid.")
    return value


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
