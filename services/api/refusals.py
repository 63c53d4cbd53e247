"""Put on record who was refused what, after the answer: also what an answer calls absent that is another project's."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from segloop.accounts.actor import Actor
from segloop.accounts.keys.key import KeyOver
from segloop.audit.record import record
from segloop.database import Connection, Engine, narrow, transaction
from segloop.errors import Forbidden, NotFound, SegloopError, Unauthorized
from segloop.projects.owners.table import Owned, find_owned
from services.api import named
from services.api.named import Named
from services.api.refusal_counts import Asker, RefusalCounts, Turn
from services.api.repeating import repeating

log = logging.getLogger(__name__)
ACTOR = "segloop.actor"
"""Where a request's scope holds the actor, once it is known who acts."""
TELL_EVERY_S = 60.0
_ANYONE = "anonymous"


@dataclass(frozen=True)
class _Refusal:
    who: str
    object_type: str
    object_id: str | None
    project_id: str | None
    detail: dict[str, object]


class Refusals:
    """Those of this process. What can't be put on record is counted, and told with what comes next."""

    def __init__(self, engine: Engine) -> None:
        self._engine = narrow(engine, None)
        self._counts = RefusalCounts()

    def note(self, request: Request, error: SegloopError) -> None:
        """Record a 401 or 403, and a 404 for what there is and is not theirs who ask; any other error is none of these."""
        try:
            for refusal in self._of(request, error):
                self._tell(request, refusal)
        except SegloopError as failed:
            log.warning("a refusal was not recorded: %s", failed.code)

    def note_left_out(self, request: Request) -> None:
        """Record what there is of what a request named and is not theirs who ask, where the answer left it out."""
        self.note(request, NotFound("left_out", "It was left out of the answer."))

    def tell_untold(self, *, is_end: bool = False) -> None:
        """Record how many refusals were not, of those whose minute is over (at the end: of all)."""
        for asker, n in self._counts.take_untold(is_end=is_end):
            detail = {"address": asker.address} if asker.address else {}
            refusal = _Refusal(asker.name, "refusal", None, asker.project_id, {**detail})
            try:
                self._record(refusal, Turn(n, is_last=False))
            except SegloopError as failed:
                self._counts.add_untold(asker, n)
                log.warning("%d refusals are not recorded yet: %s", n, failed.code)

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Tell what was not told every minute while the block lasts, and at its end."""
        try:
            async with repeating(self.tell_untold, TELL_EVERY_S):
                yield
        finally:
            await run_in_threadpool(self.tell_untold, is_end=True)

    def _of(self, request: Request, error: SegloopError) -> list[_Refusal]:
        actor: Actor | None = request.scope.get(ACTOR)
        route = _route(request)
        detail: dict[str, object] = {"code": error.code, "address": _address(request)}
        if isinstance(error, KeyOver):
            detail["route"] = route
            return [_Refusal(error.acts_as, "api_key", error.key_id, error.project_id, detail)]
        if isinstance(error, Unauthorized) or (actor is None and isinstance(error, Forbidden)):
            return [_Refusal(_ANYONE, "route", route, None, detail)]
        if actor is None or not isinstance(error, Forbidden | NotFound):
            return []
        is_absent = isinstance(error, NotFound)
        if is_absent and actor.is_site_admin:
            return []  # all that there is is theirs
        with transaction(self._engine) as conn:
            found = _in_order(conn, named.of(request))
        mine = [one for one in found if actor.is_site_admin or one.project_id in actor.roles]
        told = [one for one in found if one not in mine] + ([] if is_absent else mine[:1])
        if not told and not is_absent:
            return [_Refusal(actor.name, "route", route, None, detail)]
        detail["route"] = route
        return [_Refusal(actor.name, one.object_type, one.object_id, one.project_id, detail) for one in told]

    def _tell(self, request: Request, refusal: _Refusal) -> None:
        address = _address(request) if refusal.who == _ANYONE else ""
        asker = Asker(refusal.who, address, refusal.project_id)
        turn = self._counts.take(asker)
        if turn is None:
            return
        try:
            self._record(refusal, turn)
        except SegloopError:
            self._counts.add_untold(asker, turn.n_untold + 1)
            raise

    def _record(self, refusal: _Refusal, turn: Turn) -> None:
        more: dict[str, object] = {"is_last_told": True} if turn.is_last else {}
        if turn.n_untold:
            more["n_untold"] = turn.n_untold
        with transaction(self._engine) as conn:
            record(
                conn,
                actor=refusal.who,
                action="access.refused",
                object_type=refusal.object_type,
                object_id=refusal.object_id,
                project_id=refusal.project_id,
                **refusal.detail,
                **more,
            )


def _in_order(conn: Connection, given: Named) -> list[Owned]:
    """Return what there is of what a request names, in its order, and projects after what is in them."""
    if not given.ids and not given.slugs:
        return []
    found = find_owned(conn, ids=given.ids, slugs=given.slugs)
    places = {object_id: place for place, object_id in enumerate(given.ids)}
    return sorted(found, key=lambda one: (one.object_type == "project", places.get(one.object_id, 0)))


def _route(request: Request) -> str:
    """Return a request's method and its route's pattern, not its address: that may hold a ticket."""
    pattern = getattr(request.scope.get("route"), "path", "")
    return f"{request.method} {request.scope.get('root_path', '')}{pattern}"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
