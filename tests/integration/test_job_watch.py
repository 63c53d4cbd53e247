"""Looking at a job: versions (ETag), waiting for a change, and what waiting costs others."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from segloop.database import Engine, open_engine, transaction
from segloop.jobs import table
from segloop.jobs.run import Limits, run_next
from segloop.settings import Settings
from services.api import job_answer, watch
from tests.api_server import serve

PATIENT = 60.0


@pytest.fixture
def url(settings: Settings) -> Iterator[str]:
    with serve(settings) as url:
        yield url


@pytest.fixture
def client(url: str, settings: Settings) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {settings.token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=PATIENT) as client:
        yield client


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings.database_url)
    yield engine
    engine.dispose()


def a_job(client: httpx.Client) -> str:
    body = {"kind": "selftest", "parameters": {"queue": "training"}}
    return str(client.post("/v1/jobs", json=body).json()["id"])


def test_a_job_that_is_as_the_client_knows_it_is_not_sent_again(client: httpx.Client) -> None:
    job_id = a_job(client)
    first = client.get(f"/v1/jobs/{job_id}")
    tag = first.headers["etag"]
    assert tag.startswith('"') and first.headers["retry-after"] == "2"
    known = client.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": f'"other", {tag}'})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    assert known.headers["retry-after"] == "2"
    client.post(f"/v1/jobs/{job_id}/cancel")
    changed = client.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["state"]) == (200, "cancelled")
    assert changed.headers["etag"] != tag and "retry-after" not in changed.headers


def test_waiting_ends_when_the_job_changes_and_not_before(client: httpx.Client, engine: Engine) -> None:
    job_id = a_job(client)
    answers: list[tuple[float, httpx.Response]] = []

    def wait() -> None:
        tag = client.get(f"/v1/jobs/{job_id}").headers["etag"]
        answer = client.get(f"/v1/jobs/{job_id}?wait=50", headers={"If-None-Match": tag})
        answers.append((time.monotonic(), answer))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(2)
    assert not answers
    claimed = time.monotonic()
    with transaction(engine) as conn:
        job = table.claim_next(conn, queue="training", kinds=["selftest"], worker="w", lease_s=60)
    assert job is not None and job.id == job_id
    waiting.join(PATIENT)
    at, answer = answers[0]
    assert (answer.status_code, answer.json()["state"]) == (200, "running")
    assert at > claimed

    def beat(progress: float) -> None:
        with transaction(engine) as conn:
            table.heartbeat(conn, job_id=job_id, attempt=1, lease_s=60, stage="predicting", progress=progress)

    beat(0.25)
    tag = client.get(f"/v1/jobs/{job_id}").headers["etag"]
    beat(0.25)  # a lease renewed is no news
    same = client.get(f"/v1/jobs/{job_id}?wait=1.5", headers={"If-None-Match": tag})
    assert (same.status_code, same.headers["retry-after"]) == (304, "1")
    beat(0.5)
    news = client.get(f"/v1/jobs/{job_id}?wait=50", headers={"If-None-Match": tag})
    assert (news.status_code, news.json()["progress"]) == (200, 0.5)


def test_another_place_in_the_queue_is_told_and_ends_no_wait(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or each job that is taken would wake everybody who waits."""
    ahead, job_id = a_job(client), a_job(client)
    first = client.get(f"/v1/jobs/{job_id}")
    tag = {"If-None-Match": first.headers["etag"]}
    client.post(f"/v1/jobs/{ahead}/cancel")
    now = client.get(f"/v1/jobs/{job_id}", headers=tag)
    assert now.json()["queue_position"] == first.json()["queue_position"] - 1
    began = time.monotonic()
    waited = client.get(f"/v1/jobs/{job_id}?wait=1.5", headers=tag)
    assert waited.status_code == 200 and time.monotonic() - began >= watch.SHORTEST * 1.5
    monkeypatch.setattr(job_answer, "PLACES_PER_POLL_S", 1)
    place = waited.json()["queue_position"]
    assert client.get(f"/v1/jobs/{job_id}").headers["retry-after"] == str(min(2 + place, 30))
    client.post(f"/v1/jobs/{job_id}/cancel")


def test_a_job_that_is_over_is_not_waited_for(client: httpx.Client, engine: Engine) -> None:
    job_id = a_job(client)
    limits = Limits(lease_s=30, heartbeat_s=5, max_failures=3, max_interruptions=5)
    while client.get(f"/v1/jobs/{job_id}").json()["state"] != "succeeded":
        done = run_next(
            engine,
            queue="training",
            works={"selftest": lambda attempt: lambda conn: {}},
            worker="w",
            limits=limits,
        )
        assert done is not None
    began = time.monotonic()
    assert client.get(f"/v1/jobs/{job_id}?wait=50").json()["state"] == "succeeded"
    assert time.monotonic() - began < 40
    assert client.get(f"/v1/jobs/{job_id}?wait=61").json()["code"] == "request_invalid"


def test_many_that_wait_hold_up_nobody_and_all_hear_of_it(
    client: httpx.Client, url: str, settings: Settings
) -> None:
    """More wait than the API has connections (20) and threads (40)."""
    job_id = a_job(client)

    async def run() -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {settings.token}"}
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENT, limits=limits) as many:
            waiting = [asyncio.create_task(many.get(f"/v1/jobs/{job_id}?wait=55")) for _ in range(80)]
            await asyncio.sleep(3)
            assert not any(task.done() for task in waiting)
            for _ in range(5):
                assert (await many.get("/v1/jobs")).status_code == 200
            assert not any(task.done() for task in waiting), (
                "the others were only let in when these had ended"
            )
            await many.post(f"/v1/jobs/{job_id}/cancel")
            return [(await task).json() for task in waiting]

    assert {job["state"] for job in asyncio.run(run())} == {"cancelled"}


def test_where_too_many_wait_the_answer_comes_at_once(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "MOST_WAITING", 0)
    job_id = a_job(client)
    began = time.monotonic()
    answer = client.get(f"/v1/jobs/{job_id}?wait=55")
    assert (answer.json()["state"], answer.headers["retry-after"]) == ("queued", "2")
    assert time.monotonic() - began < 40
