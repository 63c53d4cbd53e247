"""Broker and database are killed, emptied, full, hung, slow and restarted while jobs wait and run."""

import os
import signal
import threading
import time

import pytest
import redis

from segloop import broker
from segloop.stack import postgres
from tests.faults.proxy import HALF_OPEN, HANG, NONE, REFUSE, Fault
from tests.faults.rig import LONG, Rig, sized, wait_for


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", ["emptied", "killed and its log lost", "killed"])
def test_r6_r7_a_broker_that_loses_everything_loses_no_job(rig: Rig, how: str) -> None:
    rig.relay()
    ids = rig.submit(sized(30, 1000) if how == "emptied" else sized(20, 100))
    with redis.Redis.from_url(rig.settings.redis_url) as client:
        wait_for(lambda: client.llen("segmentation") > 0, "bells")
        rig.note("bells_before", client.llen("segmentation"))
        if how == "emptied":
            client.flushall()
        elif how == "killed and its log lost":
            client.config_set("appendonly", "no")
            client.flushall()
    if how != "emptied":
        rig.note("away_s", round(rig.kill_server("valkey"), 1))
    workers = [rig.worker(work_s=0.01) for _ in range(2)]
    if how == "emptied":
        time.sleep(3.0)
        with redis.Redis.from_url(rig.settings.redis_url) as client:
            client.flushall()  # and once more while they work
    verdict = rig.settle(ids, sized(120, 600))
    assert verdict.states == {"succeeded": len(ids)} and verdict.reasons["claimed"] == len(ids)
    assert all(worker.poll() is None for worker in workers)


@pytest.mark.slow
def test_r8_a_broker_that_hangs_holds_jobs_up_and_loses_none(rig: Rig) -> None:
    rig.relay()
    worker = rig.worker()
    first = rig.submit(5)
    wait_for(lambda: not rig.n_open(first), "jobs before")
    rig.doors["valkey"].set(HANG)
    during = rig.submit(5)
    time.sleep(sized(12, 45))
    rig.doors["valkey"].set(NONE)
    rig.doors["valkey"].reset_all()
    after = rig.submit(5)
    rig.settle([*first, *during, *after])
    assert worker.poll() is None


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=lambda n: n.name)
def test_r9_a_database_that_restarts_leaves_no_half_state(rig: Rig, number: signal.Signals) -> None:
    if not LONG and number is not signal.SIGKILL:
        pytest.skip("in the long run")
    rig.relay()
    workers = [rig.worker(work_s=0.2) for _ in range(2)]
    ids = rig.submit(sized(30, 120))
    wait_for(lambda: rig.states(ids).get("succeeded", 0) >= 3, "some jobs")
    rig.note("away_s", round(rig.kill_server("postgres", number), 1))
    rig.engine.dispose()
    verdict = rig.settle(ids)
    assert verdict.states == {"succeeded": len(ids)}
    assert all(worker.poll() is None for worker in workers)


@pytest.mark.slow
def test_r10_a_result_that_is_there_when_the_database_is_away_is_kept_and_published_once(rig: Rig) -> None:
    rig.relay()
    own = rig.make_doors("postgres")
    worker = rig.worker(doors=own, SEGLOOP_LEASE_S="60")
    (job_id,) = rig.submit(1, work_s=3.0)
    rig.wait_running(job_id)
    own["postgres"].set(REFUSE)
    wait_for(lambda: "the result waits" in worker.log.read_text(), "the result to wait")
    own["postgres"].set(NONE)
    verdict = rig.settle([job_id])
    assert verdict.reasons == {"submitted": 1, "claimed": 1, "succeeded": 1}


@pytest.mark.slow
def test_r21_a_database_whose_answers_are_lost_leaves_one_result(rig: Rig) -> None:
    """The commit may have arrived, or not: the worker can't know, and tries again."""
    rig.relay()
    own = rig.make_doors("postgres")
    rig.worker(doors=own, work_s=0.1)
    rig.worker(work_s=0.1)
    ids = rig.submit(sized(40, 400))
    for _ in range(sized(6, 40)):
        time.sleep(rig.random.uniform(0.3, 1.0))
        own["postgres"].set(HALF_OPEN)
        time.sleep(rig.random.uniform(0.1, 0.6))
        own["postgres"].set(NONE)
    verdict = rig.settle(ids, 240)
    assert verdict.states == {"succeeded": len(ids)}


@pytest.mark.slow
def test_r15_bells_that_ring_five_times_and_out_of_order_start_each_job_once(rig: Rig) -> None:
    rig.relay()
    ids = rig.submit(sized(20, 200))
    bells = ids * 5
    rig.random.shuffle(bells)
    app = broker.make_celery(rig.settings.redis_url)
    for job_id in bells:
        broker.send(app, task="segloop.segment", queue="segmentation", job_id=job_id)
    workers = [rig.worker(work_s=0.02) for _ in range(3)]
    verdict = rig.settle(ids)
    assert verdict.reasons["claimed"] == len(ids) and len(workers) == 3


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_r22_links_that_are_slow_chopped_and_reset_are_slow_and_right(rig: Rig) -> None:
    longer = {"SEGLOOP_LEASE_S": "10"}
    rig.relay(**longer)
    for _ in range(3):
        rig.worker(work_s=0.1, **longer)
    # A statement is a piece or two, so one in a hundred is reset.
    slow = Fault(delay_s=0.02, jitter_s=0.02, slice_bytes=4096, reset_rate=0.01)
    for proxy in rig.doors.values():
        proxy.set(slow)
    ids, end = [], time.monotonic() + sized(15, 120)
    while time.monotonic() < end:
        ids += rig.submit(2)
        time.sleep(1.0)
    for proxy in rig.doors.values():
        proxy.set(NONE)
    rig.note("resets", sum(proxy.n_resets for proxy in rig.doors.values()))
    verdict = rig.settle(ids)
    assert verdict.states == {"succeeded": len(ids)}
    assert sum(proxy.n_resets for proxy in rig.doors.values()) > 0


@pytest.mark.slow
def test_r22_a_worker_whose_acknowledgement_gets_lost_hears_the_next_bell(rig: Rig) -> None:
    """It took a worker of one place its hearing, for good, while the rest of its connections were well."""
    rig.relay()
    worker = rig.worker(work_s=0.01)
    rig.settle(rig.submit(1))
    rig.doors["valkey"].set(Fault(reset_where=b"ZREM"))
    for _ in range(3):
        verdict = rig.settle(rig.submit(1))
        assert verdict.reasons["claimed"] == 1
    assert rig.doors["valkey"].n_resets >= 3 and worker.poll() is None
    assert "Couldn't ack" in worker.log.read_text()


@pytest.mark.slow
def test_r13_a_database_without_room_refuses_and_goes_on_when_there_is_some(rig: Rig) -> None:
    """Its disk is full: Postgres says so with each write, as when its volume has no bytes left."""
    keys, port = rig.stack.servers.credentials, rig.stack.servers.ports["postgres"]
    name = rig.engine.url.database
    rig.relay()
    worker = rig.worker(work_s=0.1)
    ids = rig.submit(10)
    wait_for(lambda: rig.states(ids).get("succeeded", 0) >= 1, "a job")
    owner = postgres.connect(keys.postgres_superuser, port, database=str(name))
    with owner.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END$$"
        )
        cursor.execute("CREATE TRIGGER no_room BEFORE INSERT ON masks EXECUTE FUNCTION no_room()")
        time.sleep(4.0)
        cursor.execute("DROP TRIGGER no_room ON masks")
    owner.close()
    verdict = rig.settle(ids)
    assert verdict.states == {"succeeded": 10} and worker.poll() is None


@pytest.mark.slow
def test_workers_whose_broker_is_stopped_and_goes_on_take_jobs_again(rig: Rig) -> None:
    """A process that lives and consumes nothing (celery 10205) would be seen here."""
    rig.relay()
    workers = [rig.worker() for _ in range(2)]
    ids = rig.submit(4)
    wait_for(lambda: not rig.n_open(ids), "jobs before")
    pid = rig.server_pid("valkey")
    timer = threading.Timer(sized(6, 30), os.kill, (pid, signal.SIGCONT))
    os.kill(pid, signal.SIGSTOP)
    timer.start()
    ids += rig.submit(4)
    timer.join()
    for worker in list(workers):
        rig.kill(worker) if worker is workers[0] else None
    ids += rig.submit(4)
    rig.settle(ids)
