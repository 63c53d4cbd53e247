"""Webhooks from a job's end to a receiver's socket: signed, sent until they arrive, and to nobody else."""

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from segloop.client import verify
from segloop.database import Engine, open_engine, transaction
from segloop.errors import InvalidInput
from segloop.jobs import submit
from segloop.jobs.run import Attempt, Finish, Limits, run_next
from segloop.projects import table as projects_table
from segloop.settings import Settings
from segloop.webhooks import manage
from segloop.webhooks.event import Event
from segloop.webhooks.publish import publish
from services.api import webhook_sender
from services.api.main import create_app
from tests.conftest import ROOT
from tests.receiver import Receiver, handler_of, receiving

LIMITS = Limits(lease_s=30.0, heartbeat_s=5.0, max_failures=1, max_interruptions=5)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as kept:
        yield kept


@pytest.fixture
def settings(settings: Settings, receiver: Receiver) -> Settings:
    hosts = f"127.0.0.1:{receiver.port}, localhost:{receiver.port}, hooks.example.org"
    return replace(settings, webhook_key="test-webhook-key", webhook_hosts=hosts)


@pytest.fixture
def client(settings: Settings, engine: Engine) -> Iterator[TestClient]:
    headers = {"Authorization": f"Bearer {settings.token}"}
    with TestClient(create_app(settings), headers=headers) as client:
        yield client
        for webhook in client.get("/v1/projects/default/webhooks").json()["items"]:
            assert client.delete(f"/v1/webhooks/{webhook['id']}").status_code == 204


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def rules(settings: Settings) -> manage.Rules:
    rules = manage.rules_of(settings)
    assert rules is not None
    return rules


def make(client: TestClient, url: str, *events: str) -> dict[str, Any]:
    answer = client.post(
        "/v1/projects/default/webhooks", json={"url": url, **({"events": events} if events else {})}
    )
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def deliveries(client: TestClient, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    return list(client.get(f"/v1/webhooks/{webhook['id']}/deliveries").json()["items"])


def run_a_job(client: TestClient, engine: Engine, *, fails: bool = False, cancelled: bool = False) -> str:
    body = {"kind": "selftest", "parameters": {"queue": "training"}}
    job_id = str(client.post("/v1/jobs", json=body).json()["id"])

    def work(attempt: Attempt) -> Finish:
        if fails:
            raise InvalidInput("not_finite", "Doe^Jane's volume holds NaN.")
        return lambda conn: {}

    if cancelled:
        client.post(f"/v1/jobs/{job_id}/cancel")
    else:
        run_next(engine, queue="training", works={"selftest": work}, worker="w", limits=LIMITS)
    return job_id


def make_due(engine: Engine) -> None:
    with transaction(engine) as conn:
        conn.execute(text("UPDATE webhook_deliveries SET next_try_at = now() WHERE state = 'waiting'"))


def test_a_jobs_end_is_told_once_signed_and_without_words(
    client: TestClient, engine: Engine, rules: manage.Rules, receiver: Receiver
) -> None:
    everything = make(client, receiver.url)
    make(client, receiver.url, "delivery.failed")
    jobs = {
        "job.succeeded": run_a_job(client, engine),
        "job.failed": run_a_job(client, engine, fails=True),
        "job.cancelled": run_a_job(client, engine, cancelled=True),
    }
    assert webhook_sender.send_due(engine, rules) == 3
    assert webhook_sender.send_due(engine, rules) == 0
    seen = {}
    for path, headers, body in receiver.got:
        assert path == "/hook?x=1"
        assert headers["Host"] == f"127.0.0.1:{receiver.port}"
        event = verify(body, headers, everything["secret"])
        seen[event["type"]] = event["data"]["job_id"]
        assert b"Jane" not in body
        assert event["data"]["error_code"] == ("not_finite" if event["type"] == "job.failed" else None)
    assert seen == jobs
    assert {item["state"] for item in deliveries(client, everything)} == {"delivered"}


def test_what_is_rolled_back_is_not_told(client: TestClient, engine: Engine, receiver: Receiver) -> None:
    webhook = make(client, receiver.url)
    with pytest.raises(RuntimeError), transaction(engine) as conn:
        project_id = projects_table.get(conn, "default").id
        publish(conn, project_id=project_id, event=Event.DELIVERY_FAILED, data={"series_id": "1"})
        raise RuntimeError
    assert deliveries(client, webhook) == []


def test_it_is_tried_eight_times_then_given_up_and_sent_again_when_asked(
    client: TestClient, engine: Engine, rules: manage.Rules, receiver: Receiver
) -> None:
    webhook = make(client, receiver.url)
    run_a_job(client, engine)
    receiver.status = 500
    for n in range(1, 9):
        assert webhook_sender.send_due(engine, rules) == 1
        (delivery,) = deliveries(client, webhook)
        assert (delivery["attempts"], delivery["last_status"], delivery["last_code"]) == (
            n,
            500,
            "receiver_refused",
        )
        assert webhook_sender.send_due(engine, rules) == 0, "it must wait before the next try"
        make_due(engine)
    assert delivery["state"] == "dead"
    assert webhook_sender.send_due(engine, rules) == 0
    receiver.status = 200
    replayed = client.post(f"/v1/webhooks/{webhook['id']}/deliveries/{delivery['id']}/replay")
    assert (replayed.status_code, replayed.json()["state"]) == (202, "waiting")
    assert webhook_sender.send_due(engine, rules) == 1
    assert deliveries(client, webhook)[0]["state"] == "delivered"
    assert len(receiver.got) == 9
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    assert len({body for *_, body in receiver.got}) == 1


def test_a_receiver_that_is_gone_is_switched_off_visibly(
    client: TestClient, engine: Engine, rules: manage.Rules, receiver: Receiver
) -> None:
    webhook = make(client, receiver.url)
    other = make(client, receiver.url, "job.failed")
    first, second = (client.post(f"/v1/webhooks/{webhook['id']}/test").json() for _ in range(2))
    receiver.status = 410
    webhook_sender.send_due(engine, rules)
    by_id = {one["id"]: one for one in deliveries(client, webhook)}
    assert {by_id[one["id"]]["state"] for one in (first, second)} == {"dead"}
    assert {by_id[one["id"]]["last_code"] for one in (first, second)} <= {
        "receiver_gone",
        "webhook_switched_off",
    }
    shown = {one["id"]: one for one in client.get("/v1/projects/default/webhooks").json()["items"]}
    assert shown[webhook["id"]]["switched_off_reason"] == "receiver_gone"
    assert shown[webhook["id"]]["switched_off_at"] and shown[other["id"]]["switched_off_at"] is None

    n_got = len(receiver.got)
    receiver.status = 204
    run_a_job(client, engine)
    for path in ("test", f"deliveries/{first['id']}/replay"):
        answer = client.post(f"/v1/webhooks/{webhook['id']}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (409, "webhook_switched_off")
    webhook_sender.send_due(engine, rules)
    assert len(receiver.got) == n_got
    events = client.get("/v1/audit", params={"action": "webhook.switched_off"}).json()["items"]
    assert [one["object_id"] for one in events] == [webhook["id"]]


def test_who_is_killed_while_sending_leaves_the_message_to_the_next(
    client: TestClient,
    engine: Engine,
    rules: manage.Rules,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make(client, receiver.url)
    run_a_job(client, engine)

    async def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(webhook_sender, "send_all", killed)
        webhook_sender.send_due(engine, rules)
    assert webhook_sender.send_due(engine, rules) == 0
    make_due(engine)
    assert webhook_sender.send_due(engine, rules) == 1
    assert len(receiver.got) == 1


def test_a_redirect_is_not_followed(
    client: TestClient, engine: Engine, rules: manage.Rules, receiver: Receiver
) -> None:
    webhook = make(client, receiver.url)
    receiver.status = 307
    run_a_job(client, engine)
    webhook_sender.send_due(engine, rules)
    assert [path for path, *_ in receiver.got] == ["/hook?x=1"]
    assert deliveries(client, webhook)[0]["last_code"] == "receiver_refused"


def test_a_receiver_that_hangs_is_left_after_a_while(
    client: TestClient,
    engine: Engine,
    rules: manage.Rules,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = make(client, receiver.url)
    receiver.delay_s = 4.0
    run_a_job(client, engine)

    async def impatient(rules: manage.Rules, due: Any) -> Any:
        from segloop.webhooks.send import send_all

        return await send_all(rules, due, limit_s=1.0)

    monkeypatch.setattr(webhook_sender, "send_all", impatient)
    assert webhook_sender.send_due(engine, rules) == 1
    assert deliveries(client, slow)[0]["last_code"] == "receiver_too_slow"


def test_a_name_that_has_come_to_mean_this_machine_is_not_called(
    client: TestClient,
    engine: Engine,
    rules: manage.Rules,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolve(*arguments: object, **options: object) -> list[Any]:
        return [(0, 0, 0, "", ("93.184.216.34", 443)), (0, 0, 0, "", ("127.0.0.1", receiver.port))]

    webhook = make(client, "https://hooks.example.org/")
    run_a_job(client, engine)
    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", resolve)
    webhook_sender.send_due(engine, rules)
    assert deliveries(client, webhook)[0]["last_code"] == "webhook_address_not_allowed"
    assert receiver.got == []


def test_a_host_that_is_taken_off_the_list_is_not_called_any_more(
    client: TestClient, engine: Engine, rules: manage.Rules, receiver: Receiver
) -> None:
    webhook = make(client, receiver.url)
    run_a_job(client, engine)
    webhook_sender.send_due(engine, replace(rules, hosts=frozenset()))
    assert deliveries(client, webhook)[0]["last_code"] == "webhook_host_not_allowed"
    make_due(engine)
    webhook_sender.send_due(engine, replace(rules, key=b"x" * 32))
    assert deliveries(client, webhook)[0]["last_code"] == "webhook_sealed"
    assert receiver.got == []


@pytest.mark.parametrize(
    ("name", "code"), [("localhost", None), ("other.example.org", "receiver_certificate")]
)
def test_the_certificate_must_be_the_names_though_the_address_is_pinned(
    client: TestClient,
    engine: Engine,
    rules: manage.Rules,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    code: str | None,
) -> None:
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    subprocess.run(
        [*command, "-addext", f"subjectAltName=DNS:{name}", *files], check=True, capture_output=True
    )
    kept = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(kept))
    kept.port = server.server_address[1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
    try:
        rules = replace(rules, hosts=rules.hosts | {("localhost", kept.port)})
        with transaction(engine) as conn:
            project_id = projects_table.get(conn, "default").id
            url = f"https://localhost:{kept.port}/"
            row, _ = manage.subscribe(
                conn, rules, project_id=project_id, actor="t", url=url, events=[Event.JOB_CANCELLED]
            )
        run_a_job(client, engine, cancelled=True)
        webhook_sender.send_due(engine, rules)
        assert deliveries(client, {"id": row.id})[0]["last_code"] == code
        assert len(kept.got) == (1 if code is None else 0)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_relays_thread_sends_and_survives(
    client: TestClient, engine: Engine, rules: manage.Rules, receiver: Receiver
) -> None:
    webhook = make(client, receiver.url)
    stop = threading.Event()
    thread = threading.Thread(target=webhook_sender.send_until, args=(engine, rules, stop))
    thread.start()
    try:
        until(lambda: thread.is_alive())
        made = client.post(f"/v1/webhooks/{webhook['id']}/test")
        assert (made.status_code, made.json()["event"]) == (202, "webhook.test")
        until(lambda: bool(receiver.got))
        until(lambda: deliveries(client, webhook)[0]["state"] == "delivered")
    finally:
        stop.set()
        thread.join(30)
    event = verify(receiver.got[0][2], receiver.got[0][1], webhook["secret"])
    assert (event["type"], event["data"]) == ("webhook.test", {"webhook_id": webhook["id"]})


def test_the_relay_process_sends_what_a_job_ended_with(
    client: TestClient, engine: Engine, receiver: Receiver, settings: Settings, environment: dict[str, str]
) -> None:
    webhook = make(client, receiver.url, "job.succeeded")
    job_id = run_a_job(client, engine)
    own = {"SEGLOOP_WEBHOOK_KEY": settings.webhook_key, "SEGLOOP_WEBHOOK_HOSTS": settings.webhook_hosts}
    command = [sys.executable, "-m", "services.api.relay"]
    relay = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment | own)
    try:
        until(lambda: bool(receiver.got))
        until(lambda: deliveries(client, webhook)[0]["state"] == "delivered")
    finally:
        relay.terminate()
    assert relay.wait(60) == 0
    event = verify(receiver.got[0][2], receiver.got[0][1], webhook["secret"])
    assert (event["type"], event["data"]["job_id"]) == ("job.succeeded", job_id)


def test_the_secret_is_shown_once_and_kept_sealed(
    client: TestClient, engine: Engine, receiver: Receiver
) -> None:
    webhook = make(client, receiver.url, "job.failed")
    listed = client.get("/v1/projects/default/webhooks")
    assert [item["id"] for item in listed.json()["items"]] == [webhook["id"]]
    assert webhook["secret"].startswith("whsec_")
    assert "secret" not in listed.text
    with transaction(engine) as conn:
        kept = conn.execute(text("SELECT secret FROM webhooks WHERE removed_at IS NULL")).scalar_one()
    assert webhook["secret"].encode() not in bytes(kept)
    run_a_job(client, engine, fails=True)
    (waiting,) = deliveries(client, webhook)
    assert waiting["state"] == "waiting"
    client.delete(f"/v1/webhooks/{webhook['id']}")
    assert client.get(f"/v1/webhooks/{webhook['id']}/deliveries").json()["code"] == "webhook_unknown"
    with transaction(engine) as conn:
        row = conn.execute(
            text("SELECT state, last_code FROM webhook_deliveries WHERE id = :id"), {"id": waiting["id"]}
        ).one()
    assert tuple(row) == ("dead", "webhook_removed")


def test_what_is_not_allowed_is_refused(client: TestClient, settings: Settings, receiver: Receiver) -> None:
    def code(**body: object) -> tuple[int, str]:
        answer = client.post("/v1/projects/default/webhooks", json=body)
        return answer.status_code, answer.json()["code"]

    assert code(url="https://evil.example/") == (422, "webhook_host_not_allowed")
    assert code(url="https://hooks.example.org/", events=["job.started"]) == (422, "request_invalid")
    assert code(url="https://hooks.example.org/", events=["webhook.test"]) == (422, "request_invalid")
    assert code(url="https://hooks.example.org/", events=[]) == (422, "request_invalid")
    webhook = make(client, receiver.url)
    unknown = client.post(f"/v1/webhooks/{webhook['id']}/deliveries/{webhook['id']}/replay")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "delivery_unknown")
    headers = {"Authorization": f"Bearer {settings.token}"}
    with TestClient(create_app(replace(settings, webhook_key="")), headers=headers) as without:
        refused = without.post("/v1/projects/default/webhooks", json={"url": receiver.url})
    assert (refused.status_code, refused.json()["code"]) == (409, "webhooks_not_set_up")


def test_a_cancel_by_the_engine_is_told_too(
    client: TestClient, engine: Engine, receiver: Receiver, rules: manage.Rules
) -> None:
    """The worker hears a cancel between two tiles; that end goes by another way than one in the queue."""
    webhook = make(client, receiver.url, "job.cancelled")
    body = {"kind": "selftest", "parameters": {"queue": "training"}}
    job_id = str(client.post("/v1/jobs", json=body).json()["id"])

    def work(attempt: Attempt) -> Finish:
        with transaction(engine) as conn:
            submit.cancel(conn, job_id, actor="tester")
        attempt.stop()
        attempt.check()
        return lambda conn: {}

    run_next(engine, queue="training", works={"selftest": work}, worker="w", limits=LIMITS)
    webhook_sender.send_due(engine, rules)
    event = verify(receiver.got[0][2], receiver.got[0][1], webhook["secret"])
    assert json.loads(receiver.got[0][2])["type"] == "job.cancelled"
    assert event["data"]["job_id"] == job_id


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)
