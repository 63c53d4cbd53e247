"""Liveness, readiness and metrics."""

from fastapi import APIRouter, Response

from segloop.errors import Unavailable
from services.api import metrics as prometheus
from services.api.deps import PartsDep

router = APIRouter(tags=["operations"])


@router.get("/health")
async def health() -> dict[str, str]:
    """Say that the process answers, also while all of its threads are busy."""
    return {"status": "ok"}


@router.get("/ready")
def ready(parts: PartsDep) -> dict[str, str]:
    """Say that database, object store and broker answer, and that uploads can be read safely; 503 names what isn't so."""
    down = [name for name, is_up in prometheus.dependencies(parts).items() if not is_up]
    if down:
        raise Unavailable("not_ready", f"Not ready: {', '.join(down)}. The API's log says more.", down=down)
    return {"status": "ready"}


@router.get("/metrics", response_class=Response)
def metrics(parts: PartsDep) -> Response:
    """Give Prometheus queues, workers, webhooks and gateways as Postgres sees them: to the metrics token, or to a site admin."""
    return Response(prometheus.collect(parts), media_type=prometheus.TYPE)
