"""Liveness, readiness and metrics."""

from fastapi import APIRouter, Response

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
def metrics(parts: PartsDep) -> Response:
    """Give Prometheus queues, workers, webhooks and gateways as Postgres sees them: to the metrics token, or to a site admin."""
    return Response(prometheus.collect(parts), media_type=prometheus.TYPE)
