"""Liveness, readiness and metrics."""

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from segloop import broker, database
from segloop.database import transaction
from segloop.errors import SegloopError, Unavailable
from segloop.jobs.statistics import table as statistics
from segloop.webhooks import table as webhooks_table
from services.api.deps import ActorDep, PartsDep

router = APIRouter(tags=["operations"])


@router.get("/health")
def health() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@router.get("/ready")
def ready(parts: PartsDep) -> dict[str, str]:
    """Say that database, object store and broker answer; 503 names those that don't."""
    checks = {
        "database": lambda: database.ping(parts.engine),
        "storage": parts.store.ping,
        "broker": lambda: broker.ping(parts.celery),
    }
    down = []
    for name, check in checks.items():
        try:
            check()
        except SegloopError:
            down.append(name)
    if down:
        raise Unavailable("not_ready", f"Not ready: {', '.join(down)} can't be reached.", down=down)
    return {"status": "ready"}


@router.get("/metrics", response_class=Response)
def metrics(parts: PartsDep, actor: ActorDep) -> Response:
    """Give Prometheus the queues as Postgres sees them."""
    registry = CollectorRegistry()
    n_jobs = Gauge("segloop_jobs", "Jobs by queue and state", ["queue", "state"], registry=registry)
    oldest = Gauge(
        "segloop_oldest_queued_seconds",
        "Age of the oldest queued job",
        ["queue"],
        registry=registry,
    )
    backlog = Gauge("segloop_outbox_rows", "Bells that wait to be rung", registry=registry)
    messages = Gauge(
        "segloop_webhook_deliveries", "Messages to webhooks by state", ["state"], registry=registry
    )
    with transaction(parts.engine) as conn:
        for row in statistics.count_by_state(conn):
            n_jobs.labels(row.queue, row.state).set(row.n)
            if row.oldest_s is not None:
                oldest.labels(row.queue).set(float(row.oldest_s))
        backlog.set(statistics.count_outbox(conn))
        for row in webhooks_table.count_by_state(conn):
            messages.labels(row.state).set(row.n)
    return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")
