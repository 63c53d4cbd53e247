"""The job engine on real Postgres: what is accepted ends exactly once."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis
from sqlalchemy import create_engine

from segloop import broker
from segloop.database import Engine, open_engine, transaction
from segloop.errors import Conflict, InvalidInput, Unavailable
from segloop.jobs import outbox, submit, table
from segloop.jobs.bell import Bell
from segloop.jobs.job import Job, JobKind, JobState, Priority
from segloop.jobs.run import Attempt, Finish, Limits, Rest, Work, run_next
from segloop.jobs.statistics import table as statistics
from segloop.projects import table as projects_table
from segloop.settings import Settings

LIMITS = Limits(lease_s=2.0, heartbeat_s=0.2, max_failures=3, max_interruptions=5)


@pytest.fixture(scope="module")
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url, pool_size=12)
    yield engine
    engine.dispose()


@pytest.fixture
def queue(engine: Engine) -> str:
    """A queue name of the test's own, so that tests don't meet."""
    return f"test-{time.monotonic_ns()}"


def add(
    engine: Engine,
    queue: str,
    *,
    priority: Priority = Priority.ROUTINE,
    key: str | None = None,
) -> Job:
    return ask(engine, queue, priority=priority, key=key)[0]


def ask(
    engine: Engine,
    queue: str,
    *,
    priority: Priority = Priority.ROUTINE,
    key: str | None = None,
    work: str | None = None,
    actor: str = "tester",
    again: bool = False,
) -> tuple[Job, bool]:
    with transaction(engine) as conn:
        project_id = projects_table.get(conn, "default").id
        return submit.submit(
            conn,
            project_id=project_id,
            actor=actor,
            kind=JobKind.SELFTEST,
            request={"n": 1},
            queue=queue,
            priority=priority,
            idempotency_key=key,
            natural_key=work,
            again=again,
        )


def get(engine: Engine, job: Job) -> Job:
    with transaction(engine) as conn:
        return table.get(conn, job.id)


def run(engine: Engine, queue: str, work: object, worker: str = "w1") -> Job | None:
    return run_next(engine, queue=queue, works={"selftest": work}, worker=worker, limits=LIMITS)  # type: ignore[dict-item]


def good(attempt: Attempt) -> Finish:
    return lambda conn: {}


def expire(engine: Engine, job: Job) -> None:
    """Let the lease of a running job end, as if its worker had been killed a while ago."""
    from sqlalchemy import text

    with transaction(engine) as conn:
        conn.execute(
            text("UPDATE jobs SET lease_expires_at = now() - interval '1 s' WHERE id = :id"),
            {"id": job.id},
        )


def reap(engine: Engine, *, max_interruptions: int = 5) -> int:
    with transaction(engine) as conn:
        return outbox.reap_once(conn, resend_after_s=3600, max_interruptions=max_interruptions)


def test_a_job_and_its_bell_are_there_together_or_not_at_all(engine: Engine, queue: str) -> None:
    with pytest.raises(RuntimeError), transaction(engine) as conn:
        project_id = projects_table.get(conn, "default").id
        job, _ = submit.submit(
            conn,
            project_id=project_id,
            actor="t",
            kind=JobKind.SELFTEST,
            request={},
            queue=queue,
        )
        raise RuntimeError
    with transaction(engine) as conn, pytest.raises(Exception, match="no such job"):
        table.get(conn, job.id)


def test_one_of_eight_bells_for_one_job_runs_it(engine: Engine, queue: str) -> None:
    job = add(engine, queue)
    ran = []
    threads = [threading.Thread(target=lambda: ran.append(run(engine, queue, good))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [done.id for done in ran if done is not None] == [job.id]
    assert get(engine, job).state is JobState.SUCCEEDED


def test_stat_comes_before_routine_and_older_before_newer(engine: Engine, queue: str) -> None:
    first, second = add(engine, queue), add(engine, queue)
    stat = add(engine, queue, priority=Priority.STAT)
    with transaction(engine) as conn:
        assert [statistics.queue_position(conn, job) for job in (stat, first, second)] == [
            1,
            2,
            3,
        ]
    order = [run(engine, queue, good) for _ in range(3)]
    assert [job.id for job in order if job] == [stat.id, first.id, second.id]


def test_a_relay_that_cannot_send_keeps_the_bells(engine: Engine, queue: str) -> None:
    job = add(engine, queue)

    def away(task: str, queue: str, job_id: str) -> None:
        raise Unavailable("broker_unavailable", "away")

    with pytest.raises(Unavailable), transaction(engine) as conn:
        outbox.relay_once(conn, away)
    sent: list[str] = []
    with transaction(engine) as conn:
        outbox.relay_once(conn, lambda task, queue, job_id: sent.append(job_id))
    assert job.id in sent


def test_four_relays_ring_each_bell_once(engine: Engine, queue: str) -> None:
    jobs = {add(engine, queue).id for _ in range(40)}
    sent: list[str] = []

    def relay() -> None:
        for _ in range(10):
            with transaction(engine) as conn:
                outbox.relay_once(conn, lambda task, queue, job_id: sent.append(job_id), limit=5)

    threads = [threading.Thread(target=relay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ours = [job_id for job_id in sent if job_id in jobs]
    assert sorted(ours) == sorted(jobs)


def test_a_lost_worker_is_an_interruption_and_another_takes_over(engine: Engine, queue: str) -> None:
    add(engine, queue)
    with transaction(engine) as conn:
        lost = table.claim_next(conn, queue=queue, kinds=["selftest"], worker="dead", lease_s=60)
    assert lost is not None
    expire(engine, lost)
    assert reap(engine) == 1
    done = run(engine, queue, good, worker="alive")
    assert done is not None
    assert (done.state, done.attempt, done.interruptions, done.failures) == (
        JobState.SUCCEEDED,
        2,
        1,
        0,
    )


def test_a_zombie_changes_nothing(engine: Engine, queue: str) -> None:
    job = add(engine, queue)

    def sleeps_through_its_lease(attempt: Attempt) -> Finish:
        with transaction(engine) as conn:
            owned = table.get(conn, job.id, lock=True)
            outbox.interrupt(conn, owned, reason="worker_lost", max_interruptions=5)
        assert run(engine, queue, good, worker="second") is not None
        return lambda conn: pytest.fail("a fenced attempt must not store its result")

    assert run(engine, queue, sleeps_through_its_lease, worker="zombie") is None
    ended = get(engine, job)
    assert (ended.state, ended.attempt, ended.worker) == (
        JobState.SUCCEEDED,
        2,
        "second",
    )


def test_the_heartbeat_outlives_the_lease(engine: Engine, queue: str) -> None:
    job = add(engine, queue)

    def slow(attempt: Attempt) -> Finish:
        end = time.monotonic() + LIMITS.lease_s + 1
        while time.monotonic() < end:
            time.sleep(0.2)
            assert reap(engine) == 0
        attempt.check()
        return lambda conn: {}

    run(engine, queue, slow)
    assert get(engine, job).attempt == 1
    assert get(engine, job).state is JobState.SUCCEEDED


def test_three_failures_end_the_job_as_dead_letter(engine: Engine, queue: str) -> None:
    job = add(engine, queue)

    def broken(attempt: Attempt) -> Finish:
        raise ZeroDivisionError

    states = [run(engine, queue, broken) for _ in range(3)]
    assert [s.state for s in states if s] == [
        JobState.QUEUED,
        JobState.QUEUED,
        JobState.FAILED,
    ]
    ended = get(engine, job)
    assert (ended.failures, ended.dead_letter, ended.error_code) == (
        3,
        True,
        "internal",
    )
    with transaction(engine) as conn:
        submit.retry(conn, job.id, actor="tester")
    assert run(engine, queue, good).state is JobState.SUCCEEDED  # type: ignore[union-attr]


def test_bad_input_fails_at_once_with_its_code(engine: Engine, queue: str) -> None:
    job = add(engine, queue)

    def refuses(attempt: Attempt) -> Finish:
        raise InvalidInput("not_finite", "The volume holds NaN.")

    run(engine, queue, refuses)
    ended = get(engine, job)
    assert (ended.state, ended.error_code, ended.dead_letter) == (
        JobState.FAILED,
        "not_finite",
        False,
    )


def test_too_many_interruptions_end_as_dead_letter(engine: Engine, queue: str) -> None:
    job = add(engine, queue)
    for _ in range(3):
        with transaction(engine) as conn:
            claimed = table.claim_next(conn, queue=queue, kinds=["selftest"], worker="dead", lease_s=60)
        assert claimed is not None
        expire(engine, claimed)
        reap(engine, max_interruptions=2)
    ended = get(engine, job)
    assert (ended.state, ended.error_code, ended.dead_letter) == (
        JobState.FAILED,
        "worker_lost",
        True,
    )


def test_a_full_disk_is_not_counted_against_the_job(engine: Engine, queue: str) -> None:
    job = add(engine, queue)
    for _ in range(2):
        with transaction(engine) as conn:
            claimed = table.claim_next(conn, queue=queue, kinds=["selftest"], worker="full", lease_s=60)
            assert claimed is not None
            outbox.interrupt(conn, claimed, reason="scratch_full", max_interruptions=0)
    ended = get(engine, job)
    assert (ended.state, ended.interruptions, ended.attempt) == (JobState.QUEUED, 0, 2)


def test_cancelling_a_running_job_stops_it_and_nothing_appears(engine: Engine, queue: str) -> None:
    job = add(engine, queue)

    def long(attempt: Attempt) -> Finish:
        with transaction(engine) as conn:
            submit.cancel(conn, job.id, actor="tester")
        end = time.monotonic() + 10
        while time.monotonic() < end:
            attempt.check()
            time.sleep(0.02)
        pytest.fail("the cancel was not heard")

    run(engine, queue, long)
    assert get(engine, job).state is JobState.CANCELLED
    with transaction(engine) as conn, pytest.raises(Conflict):
        submit.retry(conn, job.id, actor="tester")


def test_a_job_that_failed_before_it_heard_the_cancel_runs_when_it_is_tried_again(
    engine: Engine, queue: str
) -> None:
    job = add(engine, queue)

    def refuses(attempt: Attempt) -> Finish:
        with transaction(engine) as conn:
            submit.cancel(conn, job.id, actor="tester")
        raise InvalidInput("not_finite", "The volume holds NaN.")

    def several_heartbeats(attempt: Attempt) -> Finish:
        time.sleep(4 * LIMITS.heartbeat_s)
        return good(attempt)

    run(engine, queue, refuses)
    with transaction(engine) as conn:
        submit.retry(conn, job.id, actor="tester")
    run(engine, queue, several_heartbeats)
    assert get(engine, job).state is JobState.SUCCEEDED


def test_cancelling_a_queued_job_is_immediate_and_repeatable(engine: Engine, queue: str) -> None:
    job = add(engine, queue)
    for _ in range(2):
        with transaction(engine) as conn:
            assert submit.cancel(conn, job.id, actor="tester").state is JobState.CANCELLED
    assert run(engine, queue, good) is None


def test_the_same_key_makes_one_job_even_at_the_same_time(engine: Engine, queue: str) -> None:
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(add(engine, queue, key=queue).id)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1


def test_the_same_key_with_another_request_is_refused(engine: Engine, queue: str) -> None:
    add(engine, queue, key=queue)
    with transaction(engine) as conn, pytest.raises(InvalidInput) as refusal:
        project_id = projects_table.get(conn, "default").id
        submit.submit(
            conn,
            project_id=project_id,
            actor="tester",
            kind=JobKind.SELFTEST,
            request={"n": 2},
            queue=queue,
            idempotency_key=queue,
        )
    assert refusal.value.code == "idempotency_key_reused"


def test_the_same_work_is_one_job_whoever_asks_even_at_the_same_time(engine: Engine, queue: str) -> None:
    answers: list[tuple[Job, bool]] = []
    start = threading.Barrier(8)

    def asks(n: int) -> None:
        start.wait()
        answers.append(ask(engine, queue, work=queue, actor=f"actor {n}", key=f"{queue} {n}"))

    threads = [threading.Thread(target=asks, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len({job.id for job, _ in answers}) == 1
    assert sum(new for _, new in answers) == 1
    with transaction(engine) as conn:
        assert sum(row.job_id == answers[0][0].id for row in table.take_outbox(conn, limit=1000)) == 1
    for n in range(8):  # each key names the job, whichever of them made it
        assert ask(engine, queue, actor=f"actor {n}", key=f"{queue} {n}") == (answers[0][0], False)


def test_work_that_is_done_is_given_again_unless_it_is_asked_for_again(engine: Engine, queue: str) -> None:
    first, _ = ask(engine, queue, work=queue)
    assert ask(engine, queue, work=queue, again=True) == (first, False)  # it waits
    run(engine, queue, good)
    given, new = ask(engine, queue, work=queue)
    assert (given.id, given.state, new) == (first.id, JobState.SUCCEEDED, False)
    second, new = ask(engine, queue, work=queue, again=True)
    assert new and second.id != first.id
    assert ask(engine, queue, work=queue)[0].id == second.id


@pytest.mark.parametrize("how", ["failed", "cancelled", "asked to stop"])
def test_work_that_ended_badly_is_done_anew(engine: Engine, queue: str, how: str) -> None:
    first, _ = ask(engine, queue, work=queue)

    def refuses(attempt: Attempt) -> Finish:
        raise InvalidInput("not_finite", "The volume holds NaN.")

    with transaction(engine) as conn:
        if how == "asked to stop":
            table.claim_next(conn, queue=queue, kinds=["selftest"], worker="w", lease_s=60)
        if how != "failed":
            submit.cancel(conn, first.id, actor="tester")
    if how == "failed":
        run(engine, queue, refuses)
    second, new = ask(engine, queue, work=queue)
    assert new and second.id != first.id
    if how == "failed":
        with transaction(engine) as conn, pytest.raises(Conflict) as refusal:
            submit.retry(conn, first.id, actor="tester")
        assert refusal.value.code == "job_replaced"


def test_asked_for_as_stat_a_job_that_waits_becomes_stat(engine: Engine, queue: str) -> None:
    first = add(engine, queue)
    wanted, _ = ask(engine, queue, work=queue)
    for priority in (Priority.STAT, Priority.ROUTINE):  # and stays so
        given, new = ask(engine, queue, work=queue, priority=priority)
        assert (given.id, given.priority, new) == (wanted.id, Priority.STAT, False)
    with transaction(engine) as conn:
        bells = [row.priority for row in table.take_outbox(conn, limit=1000) if row.job_id == wanted.id]
    assert sorted(bells) == [Priority.STAT, Priority.ROUTINE]
    order = [run(engine, queue, good) for _ in range(2)]
    assert [job.id for job in order if job] == [wanted.id, first.id]


def test_a_bell_for_a_queue_that_no_worker_serves_is_dropped(redis_url: str) -> None:
    celery = broker.make_celery(redis_url)
    broker.send(celery, task="segloop.selftest", queue="nobody's", job_id="1")
    broker.send(celery, task="segloop.selftest", queue="training", job_id="2")
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("training") == 1
        assert client.llen("nobody's") == 0


def test_stat_segmentations_ring_also_where_a_worker_is_kept_free_for_them(engine: Engine) -> None:
    rung = {}
    for priority in Priority:
        job = add(engine, "segmentation", priority=priority)
        with transaction(engine) as conn:
            bells = table.take_outbox(conn, limit=1000)
            submit.cancel(conn, job.id, actor="tester")
        rung[priority] = sorted(row.queue for row in bells if row.job_id == job.id)
    assert rung == {Priority.STAT: ["segmentation", "segmentation-stat"], Priority.ROUTINE: ["segmentation"]}


def test_bells_that_nobody_hears_dont_pile_up(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "ENOUGH_BELLS", 3)
    celery = broker.make_celery(redis_url)
    for number in range(5):
        broker.send(celery, task="segloop.segment", queue="segmentation-stat", job_id=str(number))
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("segmentation-stat") == 3


def test_who_takes_stat_alone_leaves_the_rest(engine: Engine, queue: str) -> None:
    routine = add(engine, queue)
    stat = add(engine, queue, priority=Priority.STAT)
    taken = [
        run_next(
            engine,
            queue=queue,
            works={"selftest": good},
            worker="w",
            limits=LIMITS,
            least_urgent=Priority.STAT,
        )
        for _ in range(2)
    ]
    assert [None if job is None else job.id for job in taken] == [stat.id, None]
    assert get(engine, routine).state is JobState.QUEUED


def test_a_job_whose_bell_was_lost_is_rung_again(engine: Engine, queue: str) -> None:
    job = add(engine, queue)
    with transaction(engine) as conn:
        table.take_outbox(conn, limit=1000)  # taken, and lost by the broker
    time.sleep(0.1)
    with transaction(engine) as conn:
        outbox.reap_once(conn, resend_after_s=0.05, max_interruptions=5)
        assert job.id in {row.job_id for row in table.take_outbox(conn, limit=1000)}


def test_history_tells_every_change(engine: Engine, queue: str) -> None:
    job = add(engine, queue)
    run(engine, queue, good)
    with transaction(engine) as conn:
        assert [event.reason for event in table.list_events(conn, job.id)] == [
            "submitted",
            "claimed",
            "succeeded",
        ]


def test_the_application_role_cannot_change_history(engine: Engine, queue: str) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import ProgrammingError

    add(engine, queue)
    for statement in (
        "UPDATE job_events SET reason = 'x'",
        "DELETE FROM audit_events",
        "UPDATE masks SET kind = 'imported'",
        "DELETE FROM jobs",
    ):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            transaction(engine) as conn,
        ):
            conn.execute(text(statement))


def test_a_broker_that_takes_nothing_is_away_and_the_relay_rings_later(
    engine: Engine, queue: str, redis_url: str
) -> None:
    job = add(engine, queue)
    celery = broker.make_celery(redis_url)

    def ring() -> int:
        with transaction(engine) as conn:
            return outbox.relay_once(
                conn, lambda task, _, job_id: broker.send(celery, task=task, queue="training", job_id=job_id)
            )

    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", "1")  # full: it answers, and refuses whatever is written
        try:
            with pytest.raises(Unavailable):
                ring()
        finally:
            client.config_set("maxmemory", "0")
        assert ring() >= 1
        assert any(job.id in str(message) for message in client.lrange("training", 0, -1))


def test_connections_that_all_stay_busy_make_the_database_unavailable(database_url: str) -> None:
    few = create_engine(
        database_url.replace("postgresql://", "postgresql+psycopg2://", 1),
        pool_size=1,
        max_overflow=0,
        pool_timeout=0.1,
    )
    with transaction(few), pytest.raises(Unavailable), transaction(few):
        pass
    few.dispose()


def bell_of(engine: Engine, queue: str, work: Work, settings: Settings) -> Bell:
    quick = replace(settings, lease_s=2.0, heartbeat_s=0.2)
    return Bell(engine, queue=queue, works={"selftest": work}, settings=quick)


def test_a_result_is_stored_while_the_next_job_computes(
    engine: Engine, queue: str, settings: Settings
) -> None:
    first, second = add(engine, queue), add(engine, queue)
    computing, order = threading.Event(), []

    def work(attempt: Attempt) -> Rest:
        order.append(f"compute {attempt.job.id == second.id}")
        if attempt.job.id == second.id:
            computing.set()

        def store() -> Finish:
            if attempt.job.id == first.id:
                assert computing.wait(10), "the next job waits for the storing of this one"
            order.append(f"store {attempt.job.id == second.id}")
            return lambda conn: {}

        return Rest(store)

    bell = bell_of(engine, queue, work, settings)
    assert bell.ring("x").endswith("running")
    bell.ring("y")
    until(lambda: get(engine, second).state == JobState.SUCCEEDED)
    assert get(engine, first).state == JobState.SUCCEEDED
    assert order == ["compute False", "compute True", "store False", "store True"]


def test_no_more_than_one_result_waits_to_be_stored(engine: Engine, queue: str, settings: Settings) -> None:
    jobs = [add(engine, queue) for _ in range(3)]
    may_store, computed = threading.Event(), []

    def work(attempt: Attempt) -> Rest:
        computed.append(attempt.job.id)

        def store() -> Finish:
            assert may_store.wait(10)
            return lambda conn: {}

        return Rest(store)

    bell = bell_of(engine, queue, work, settings)
    ringing = threading.Thread(target=lambda: [bell.ring("x") for _ in jobs])
    ringing.start()
    until(lambda: len(computed) == 2)
    time.sleep(0.5)
    assert len(computed) == 2, "the third would be held in memory beside two that are not stored"
    may_store.set()
    ringing.join(20)
    until(lambda: all(get(engine, job).state == JobState.SUCCEEDED for job in jobs))


@pytest.mark.parametrize("how", ["cancel", "shutdown"])
def test_what_is_being_stored_can_be_cancelled_and_is_given_back_on_shutdown(
    engine: Engine, queue: str, settings: Settings, how: str
) -> None:
    job = add(engine, queue)

    def work(attempt: Attempt) -> Rest:
        def store() -> Finish:
            until(attempt.stopped)
            attempt.check()
            return lambda conn: {}

        return Rest(store)

    bell = bell_of(engine, queue, work, settings)
    bell.ring("x")
    if how == "cancel":
        with transaction(engine) as conn:
            submit.cancel(conn, job.id, actor="tester")
    else:
        bell.close()
    wanted = JobState.CANCELLED if how == "cancel" else JobState.QUEUED
    until(lambda: get(engine, job).state == wanted)


def test_a_rest_that_fails_fails_its_own_job_and_the_next_goes_on(
    engine: Engine, queue: str, settings: Settings
) -> None:
    broken, good_one = add(engine, queue), add(engine, queue)

    def work(attempt: Attempt) -> Rest:
        def store() -> Finish:
            if attempt.job.id == broken.id:
                raise InvalidInput("mask_labels", "no such label")
            return lambda conn: {}

        return Rest(store)

    bell = bell_of(engine, queue, work, settings)
    bell.ring("x")
    bell.ring("y")
    until(lambda: get(engine, good_one).state == JobState.SUCCEEDED)
    failed = get(engine, broken)
    assert (failed.state, failed.error_code) == (JobState.FAILED, "mask_labels")


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 15
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def test_a_worker_that_drains_does_all_that_waits_and_ends_with_the_last_stored(
    engine: Engine, queue: str, settings: Settings
) -> None:
    jobs = [add(engine, queue) for _ in range(3)]
    bell = bell_of(engine, queue, lambda attempt: Rest(lambda: lambda conn: {}), settings)
    assert bell.drain() == 3
    with transaction(engine) as conn:
        assert {table.get(conn, job.id).state for job in jobs} == {JobState.SUCCEEDED}
    assert bell.drain() == 0
    add(engine, queue)
    bell.close()
    assert bell.drain() == 0
