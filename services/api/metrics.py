"""What Prometheus is shown: one transaction's view of Postgres, and what this process can reach."""

import shutil
from collections.abc import Callable
from datetime import timedelta

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from segloop import broker, database
from segloop.database import Connection, transaction
from segloop.errors import SegloopError
from segloop.jobs.statistics import table as jobs
from segloop.jobs.workers import table as workers
from segloop.studies.statistics import table as studies
from segloop.webhooks.statistics import table as webhooks
from services.api.deps import Parts

SEEN, HOUR = timedelta(minutes=1), timedelta(hours=1)
TYPE = "text/plain; version=0.0.4"


class Gauges:
    """Makes gauges in a registry of their own, so that what is gone from the database is gone from the answer.

    Labels are names from code or configuration, so their values are few: never an id, never anything of a patient.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._known: dict[str, Gauge] = {}

    def set(self, name: str, text: str, value: float, **labels: str) -> None:
        """Set one value."""
        if name not in self._known:
            self._known[name] = Gauge(name, text, list(labels), registry=self.registry)
        gauge = self._known[name]
        (gauge.labels(**labels) if labels else gauge).set(value)


def dependencies(parts: Parts) -> dict[str, bool]:
    """Say of database, object store and broker whether they answer, and of the reader of uploads whether it can be confined."""
    checks: dict[str, Callable[[], None]] = {
        "database": lambda: database.ping(parts.engine),
        "storage": parts.store.ping,
        "broker": lambda: broker.ping(parts.celery),
        "parser": parts.sandbox.require_confined,
    }
    found = {}
    for name, check in checks.items():
        try:
            check()
            found[name] = True
        except SegloopError:
            found[name] = False
    return found


def collect(parts: Parts) -> bytes:
    """Return all metrics in Prometheus' text format; without the database, only what can be said without it."""
    show = Gauges()
    reached = dependencies(parts)
    for name, is_up in reached.items():
        show.set("segloop_dependency_up", "Whether the API reaches it", is_up, dependency=name)
    free = shutil.disk_usage(parts.settings.scratch).free
    show.set("segloop_api_disk_free_bytes", "Free disk where uploads are read", free)
    if reached["database"]:
        with transaction(parts.engine) as conn:
            for part in (_jobs, _lately, _workers, _webhooks, _gateways):
                part(conn, show)
    return generate_latest(show.registry)


def _jobs(conn: Connection, show: Gauges) -> None:
    for row in jobs.count_by_state(conn):
        show.set("segloop_jobs", "Jobs by queue and state", row.n, queue=row.queue, state=row.state)
        if row.oldest_s is not None:
            text = "Age of the oldest queued job"
            show.set("segloop_oldest_queued_seconds", text, float(row.oldest_s), queue=row.queue)
        if row.state == "failed":
            text = "Jobs that failed through no fault of their input and wait for a person"
            show.set("segloop_dead_letters", text, row.n_dead, queue=row.queue)
    show.set("segloop_outbox_rows", "Bells that wait to be rung", jobs.count_outbox(conn))


def _lately(conn: Connection, show: Gauges) -> None:
    for row in jobs.summarize_ended(conn, within=HOUR):
        text = "Jobs that ended in the last hour"
        show.set("segloop_jobs_ended_last_hour", text, row.n, kind=row.kind, state=row.state)
        if row.state == "succeeded":
            for quantile, value in (("0.5", row.p50_s), ("0.95", row.p95_s)):
                text = "Run time of the last attempt, of jobs that succeeded in the last hour"
                show.set("segloop_job_run_seconds", text, float(value or 0), kind=row.kind, quantile=quantile)
    attempts, expired = jobs.count_attempts(conn, within=HOUR)
    show.set("segloop_attempts_last_hour", "Attempts that began in the last hour", attempts)
    show.set("segloop_lease_expiries_last_hour", "Attempts whose worker was lost in the last hour", expired)


def _workers(conn: Connection, show: Gauges) -> None:
    for row in workers.summarize(conn, within=SEEN):
        show.set("segloop_workers", "Workers seen in the last minute", row.n, queue=row.queue)
        text = "Free disk of the worker that has least"
        show.set("segloop_worker_disk_free_bytes", text, float(row.disk_free_bytes), queue=row.queue)
        if row.gpu_total_bytes is not None:
            for name, value in (("used", row.gpu_used_bytes), ("total", row.gpu_total_bytes)):
                text = f"GPU memory, {name}, over all workers"
                show.set(f"segloop_gpu_memory_{name}_bytes", text, float(value), queue=row.queue)


def _webhooks(conn: Connection, show: Gauges) -> None:
    for row in webhooks.count_deliveries(conn):
        show.set("segloop_webhook_deliveries", "Messages to webhooks by state", row.n, state=row.state)
        if row.oldest_s is not None:
            text = "Age of the oldest message to a webhook that waits"
            show.set("segloop_webhook_oldest_waiting_seconds", text, float(row.oldest_s))


def _gateways(conn: Connection, show: Gauges) -> None:
    for row in studies.list_silence(conn):
        text = "Time since a gateway last reported"
        show.set("segloop_gateway_silent_seconds", text, float(row.silent_s), gateway=row.aet)
    for row in studies.count_series(conn):
        show.set("segloop_gateway_series", "Series that gateways told of, by stage", row.n, stage=row.stage)
    for row in studies.count_deliveries(conn):
        text = "Deliveries to PACS of series that are being delivered, by state"
        show.set("segloop_gateway_deliveries", text, row.n, state=row.state)
    n, oldest_s = studies.open_orders(conn)
    show.set("segloop_gateway_orders_open", "Orders that no gateway has ended yet", n)
    show.set("segloop_gateway_oldest_order_seconds", "Age of the oldest of them", oldest_s)
