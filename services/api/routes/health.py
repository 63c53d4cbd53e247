"""Liveness, readiness and metrics."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Header, Response

from segloop.errors import Unavailable
from services.api import metrics as prometheus
from services.api.deps import PartsDep

router = APIRouter(tags=["operations"])


@router.get("/health")
def health() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@router.get("/ready")
def ready(parts: PartsDep) -> dict[str, str]:
    """Say that database, object store and broker answer; 503 names those that don't."""
    down = [name for name, is_up in prometheus.dependencies(parts).items() if not is_up]
    if down:
        raise Unavailable("not_ready", f"Not ready: {', '.join(down)} can't be reached.", down=down)
    return {"status": "ready"}


@router.get("/metrics", response_class=Response)
def metrics(parts: PartsDep, authorization: Annotated[str | None, Header()] = None) -> Response:
    """Give Prometheus queues, workers, webhooks and gateways as Postgres sees them: to the metrics token, or to a site admin."""
    token = parts.settings.metrics_token
    given = (authorization or "").removeprefix("Bearer ")
    # They count over all projects, so whoever is in only some of them may not see these.
    if not token or not hmac.compare_digest(given.encode(), token.encode()):
        parts.bearers.actor(parts.engine, authorization).require_site_admin()
    return Response(prometheus.collect(parts), media_type=prometheus.TYPE)
