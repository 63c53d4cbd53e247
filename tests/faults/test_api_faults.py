"""The API is killed, overrun and held up by slow clients, and what it needs goes away: what it accepted is there, once."""

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from segloop.database import transaction
from segloop.jobs import table
from segloop.jobs.requests.table import job_requests
from segloop.jobs.table import jobs
from tests import orthanc
from tests.faults.proxy import HANG, NONE, REFUSE
from tests.faults.rig import LONG, Rig, sized, wait_for


def body(rig: Rig, n: int) -> dict[str, Any]:
    """Return a request that is work of its own: another HU offset makes another mask."""
    return {
        "kind": "segment",
        "input": {"volume_id": rig.volume_id},
        "parameters": {"hu_offset": n / 1000},
    }


def p(values: list[float], share: float) -> float:
    """Return a percentile in milliseconds."""
    return round(1000 * sorted(values)[min(len(values) - 1, int(share * len(values)))], 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_r4_r5_an_api_killed_while_jobs_are_posted_keeps_each_that_it_accepted_once(rig: Rig) -> None:
    rig.relay()
    rig.worker(work_s=0.0)
    port = orthanc.free_port()
    api, address = rig.api(port)
    n, accepted, stop = sized(60, 400), {}, threading.Event()

    def post(i: int) -> None:
        # As a careful client: the same key until there is an answer.
        while not stop.is_set():
            try:
                made = httpx.post(
                    f"{address}/v1/jobs",
                    json=body(rig, i),
                    headers=rig.headers | {"Idempotency-Key": f"key-{i}"},
                    timeout=10,
                )
            except httpx.HTTPError:
                time.sleep(0.1)
                continue
            if made.status_code in (200, 202):
                accepted[i] = made.json()["id"]
                return
            assert made.status_code == 503, made.text
            time.sleep(0.2)

    kills = 0
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(post, i) for i in range(n)]
        try:
            while kills < sized(2, 12) and not all(one.done() for one in asked):
                wait_for(lambda k=kills: len(accepted) >= n * (k + 0.5) / sized(3, 14), "answers")  # type: ignore[misc]
                rig.kill(api)
                kills += 1
                api, _ = rig.api(port)
            for one in asked:
                one.result(120)
        finally:
            stop.set()
    rig.note("kills", kills)
    assert kills and len(set(accepted.values())) == n
    with transaction(rig.engine) as conn:
        made = set(conn.execute(select(jobs.c.id).where(jobs.c.volume_id == rig.volume_id)).scalars())
        named = conn.execute(
            select(func.count()).select_from(job_requests).where(job_requests.c.job_id.in_(made))
        ).scalar_one()
    assert made == set(accepted.values()) and named == n
    rig.settle(made)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_r8_r9_what_is_away_is_said_within_seconds_and_a_broker_is_not_needed_to_accept(rig: Rig) -> None:
    _, address = rig.api()
    with httpx.Client(base_url=address, headers=rig.headers, timeout=30) as http:
        rig.doors["valkey"].set(HANG)
        took, accepted = [], []
        for i in range(sized(20, 100)):
            began = time.monotonic()
            made = http.post("/v1/jobs", json=body(rig, i))
            took.append(time.monotonic() - began)
            assert made.status_code == 202, made.text
            accepted.append(made.json()["id"])
        rig.note("post_p95_ms_broker_hangs", p(took, 0.95))
        assert p(took, 0.95) < 1000
        rig.doors["valkey"].set(NONE)
        rig.doors["valkey"].reset_all()

        rig.doors["postgres"].set(REFUSE)
        began = time.monotonic()
        away = http.post("/v1/jobs", json=body(rig, 900))
        rig.note("refused_s_database_away", round(time.monotonic() - began, 2))
        assert (away.status_code, away.json()["code"]) == (503, "database_unavailable")
        assert int(away.headers["Retry-After"]) > 0 and time.monotonic() - began < 10
        assert http.get("/health").status_code == 200 and http.get("/ready").status_code == 503
        rig.doors["postgres"].set(NONE)

        rig.doors["s3"].set(REFUSE)
        made = http.post("/v1/projects/default/uploads", json={"size_bytes": 100}).json()
        away = http.put(f"/v1/uploads/{made['id']}/parts/1", content=b"x" * 100)
        assert (away.status_code, away.json()["code"]) == (503, "storage_unavailable")
        rig.doors["s3"].set(NONE)
        wait_for(lambda: http.get("/ready").status_code == 200, "to be ready again")
    rig.relay()
    rig.worker(work_s=0.0)
    rig.settle(accepted)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_r23_slow_clients_hold_up_nobody_else(rig: Rig) -> None:
    api, address = rig.api()
    port, n = int(address.rpartition(":")[2]), sized(60, 200)
    with httpx.Client(base_url=address, headers=rig.headers, timeout=30) as http:
        uploads = [
            http.post("/v1/projects/default/uploads", json={"size_bytes": 4096}).json()["id"]
            for _ in range(n)
        ]

        def open_files() -> int:
            return len(os.listdir(f"/proc/{api.pid}/fd"))

        before = open_files()
        # Parts of uploads, and whole CTs of which only as many as two may be under way; the others wait, holding no thread.
        wanted = [f"PUT /v1/uploads/{upload_id}/parts/1" for upload_id in uploads[: n // 2]]
        wanted += ["POST /v1/projects/default/volumes"] * (n - n // 2)
        slow = []
        for request in wanted:
            one = socket.create_connection(("127.0.0.1", port), timeout=10)
            one.sendall(
                f"{request} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Authorization: Bearer {rig.settings.token}\r\nContent-Length: 4096\r\n\r\n".encode()
            )
            slow.append(one)
        health, posts = [], []
        end, i = time.monotonic() + sized(6, 30), 0
        while time.monotonic() < end:
            for one in slow:
                one.sendall(b"x")
            began = time.monotonic()
            assert http.get("/health").status_code == 200
            health.append(time.monotonic() - began)
            began = time.monotonic()
            assert http.post("/v1/jobs", json=body(rig, i)).status_code == 202
            posts.append(time.monotonic() - began)
            i += 1
            time.sleep(0.1)
        rig.note("slow_clients", n)
        rig.note("health_p95_ms", p(health, 0.95))
        rig.note("post_p95_ms", p(posts, 0.95))
        assert p(health, 0.95) < 1000 and p(posts, 0.95) < 1000
        for one in slow:
            one.close()
        wait_for(lambda: open_files() <= before + 10, "their connections to be closed")


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("how", ["ask again", "wait"] if LONG else ["ask again"])
def test_r24_ten_thousand_jobs_that_wait_and_two_hundred_that_ask_slow_nobody(rig: Rig, how: str) -> None:
    n_jobs, n_pollers = sized(1000, 10_000), sized(20, 200)
    _, address = rig.api(SEGLOOP_LOG_LEVEL="WARNING")
    ids = rig.submit(n_jobs)
    claims: list[float] = []
    polls: list[float] = []
    posts: list[float] = []
    codes: dict[int, int] = {}
    stop = threading.Event()

    def poll(job_id: str) -> None:
        # What it has by its ETag, and again when the answer says; or, as the product's own client, once for a whole while.
        tag, query = None, {"wait": "20"} if how == "wait" else {}
        with httpx.Client(base_url=address, headers=rig.headers, timeout=60) as http:
            while not stop.is_set():
                began = time.monotonic()
                known = {} if tag is None else {"If-None-Match": tag}
                answer = http.get(f"/v1/jobs/{job_id}", headers=known, params=query if known else {})
                if not (known and query):
                    polls.append(time.monotonic() - began)
                codes[answer.status_code] = codes.get(answer.status_code, 0) + 1
                tag = answer.headers.get("ETag", tag)
                stop.wait(0.0 if query else float(answer.headers.get("Retry-After", 2)))

    def claim() -> None:
        while not stop.is_set():
            began = time.monotonic()
            with transaction(rig.engine) as conn:
                job = table.claim_next(
                    conn, queue="segmentation", kinds=["segment"], worker="bench", lease_s=3600
                )
                if job is not None:
                    table.add_event(conn, job, reason="claimed")
            claims.append(time.monotonic() - began)
            stop.wait(0.2)

    asking = [threading.Thread(target=poll, args=(rig.random.choice(ids),)) for _ in range(n_pollers)]
    claimer = threading.Thread(target=claim)
    for i, thread in enumerate(asking):
        thread.start()
        if i % 10 == 9:
            time.sleep(0.1)  # people don't all come in the same instant
    claimer.start()
    try:
        with httpx.Client(base_url=address, headers=rig.headers, timeout=60) as http:
            end, i = time.monotonic() + sized(8, 60), 0
            while time.monotonic() < end:
                began = time.monotonic()
                made = http.post("/v1/jobs", json=body(rig, i))
                posts.append(time.monotonic() - began)
                assert made.status_code == 202, made.text
                i += 1
                time.sleep(0.2)
    finally:
        stop.set()
        for thread in [*asking, claimer]:
            thread.join(90)
    rig.note("queued", n_jobs)
    rig.note("pollers", n_pollers)
    for name, values in (("post", posts), ("claim", claims), ("poll", polls)):
        rig.note(f"{name}_n", len(values))
        rig.note(f"{name}_p50_ms", p(values, 0.5))
        rig.note(f"{name}_p99_ms", p(values, 0.99))
    rig.note("poll_codes", codes)
    rig.note("load_1min_end", round(os.getloadavg()[0], 1))
    assert set(codes) <= {200, 304}
