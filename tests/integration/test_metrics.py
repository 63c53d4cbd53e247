"""What Prometheus sees: counted from Postgres over all projects, by a token of its own, without a name or an id."""

import dataclasses
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from segloop.database import Engine, open_engine, transaction
from segloop.jobs import outbox, submit
from segloop.jobs.bell import selftest
from segloop.jobs.job import JobKind
from segloop.jobs.run import Attempt, Finish, Limits, run_next
from segloop.jobs.workers import table as workers
from segloop.projects import table as projects
from segloop.settings import Settings
from services.api.main import create_app

LIMITS = Limits(30, 1, 1, 3)
Found = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(dataclasses.replace(settings, metrics_token="prometheus"))) as client:
        yield client


def scrape(client: TestClient, token: str = "prometheus") -> Found:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found: Found, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def job(engine: Engine) -> str:
    with transaction(engine) as conn:
        made, _ = submit.submit(
            conn,
            project_id=projects.get(conn, "default").id,
            actor="local",
            kind=JobKind.SELFTEST,
            request={},
        )
    return made.id


def broken(attempt: Attempt) -> Finish:
    raise RuntimeError("a bug")


def test_queues_run_times_lost_leases_and_dead_letters(client: TestClient, engine: Engine) -> None:
    for work in (selftest, broken):
        job(engine)
        run_next(engine, queue="segmentation", works={"selftest": work}, worker="w", limits=LIMITS)
    lost = job(engine)
    with transaction(engine) as conn:
        conn.execute(
            text(
                "UPDATE jobs SET state = 'running', attempt = 1, created_at = now() - interval '90 s',"
                " lease_expires_at = now() - interval '1 s' WHERE id = :id"
            ),
            {"id": lost},
        )
        outbox.reap_once(conn, resend_after_s=3600, max_interruptions=3)
    found = scrape(client)
    assert value(found, "segloop_jobs", queue="segmentation", state="succeeded") == 1
    assert value(found, "segloop_jobs", queue="segmentation", state="queued") == 1
    assert value(found, "segloop_dead_letters", queue="segmentation") == 1
    assert 90 <= value(found, "segloop_oldest_queued_seconds", queue="segmentation") < 300
    assert value(found, "segloop_outbox_rows") >= 3
    assert value(found, "segloop_jobs_ended_last_hour", kind="selftest", state="succeeded") == 1
    assert value(found, "segloop_job_run_seconds", kind="selftest", quantile="0.95") > 0
    assert value(found, "segloop_attempts_last_hour") == 2
    assert value(found, "segloop_lease_expiries_last_hour") == 1
    assert value(found, "segloop_dependency_up", dependency="broker") == 1
    assert value(found, "segloop_api_disk_free_bytes") > 0


def test_workers_with_their_gpus_and_those_not_seen_lately(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as conn:
        for n in (1, 2):
            workers.save(
                conn,
                name=f"segmentation@{n}",
                queue="segmentation",
                gpu_used_bytes=n * 10,
                gpu_total_bytes=100,
                disk_free_bytes=n,
            )
        workers.save(
            conn,
            name="training@1",
            queue="training",
            gpu_used_bytes=None,
            gpu_total_bytes=None,
            disk_free_bytes=7,
        )
        conn.execute(text("UPDATE workers SET seen_at = now() - interval '2 min' WHERE name = 'training@1'"))
    found = scrape(client)
    assert value(found, "segloop_workers", queue="segmentation") == 2
    assert value(found, "segloop_gpu_memory_used_bytes", queue="segmentation") == 30
    assert value(found, "segloop_gpu_memory_total_bytes", queue="segmentation") == 200
    assert value(found, "segloop_worker_disk_free_bytes", queue="segmentation") == 1
    assert ("segloop_workers", frozenset({("queue", "training")})) not in found


def test_webhooks_and_gateways_that_wait(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as conn:
        project = {"p": projects.get(conn, "default").id}
        conn.execute(
            text(
                "WITH w AS (INSERT INTO webhooks (project_id, created_by, url, secret, events)"
                " VALUES (:p, 'local', 'https://x', '', '{}') RETURNING id)"
                " INSERT INTO webhook_deliveries (project_id, webhook_id, event, body, created_at)"
                " SELECT :p, id, 'job.succeeded', '{}', now() - interval '40 s' FROM w"
            ),
            project,
        )
        conn.execute(
            text(
                "INSERT INTO gateways (aet, created_by, state, seen_at)"
                " VALUES ('GW', 'local', '{}', now() - interval '10 min')"
            )
        )
        conn.execute(
            text(
                "INSERT INTO received_series (created_by, gateway, key, route, sender, stage, n_instances, rule, code,"
                " message, deliveries, received_at) VALUES ('local', 'GW', 'k', 'c-store', 'CT', 'delivering', 1, '', '',"
                """ '', '[{"state": "waiting"}, {"state": "verified"}]', now())"""
            )
        )
        conn.execute(
            text("INSERT INTO gateway_orders (created_by, gateway, kind) VALUES ('local', 'GW', 'echo')")
        )
    found = scrape(client)
    assert value(found, "segloop_webhook_deliveries", state="waiting") == 1
    assert value(found, "segloop_webhook_oldest_waiting_seconds") >= 40
    assert value(found, "segloop_gateway_silent_seconds", gateway="GW") >= 600
    assert value(found, "segloop_gateway_series", stage="delivering") == 1
    assert value(found, "segloop_gateway_deliveries", state="waiting") == 1
    assert value(found, "segloop_gateway_orders_open") == 1


def test_only_the_metrics_token_and_site_admins_read_them_and_the_token_reads_nothing_else(
    client: TestClient,
) -> None:
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert scrape(client, "test-token")
    answer = client.get("/v1/jobs", headers={"Authorization": "Bearer prometheus"})
    assert answer.status_code == 401


def test_labels_are_names_of_ours(client: TestClient) -> None:
    labels = {label for _, labels in scrape(client) for label, _ in labels}
    assert labels <= {"queue", "state", "kind", "quantile", "dependency", "stage", "gateway"}


def test_an_empty_metrics_token_opens_nothing(settings: Settings) -> None:
    with TestClient(create_app(settings)) as client:
        assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401
