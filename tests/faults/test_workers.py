"""Workers are killed, stopped, cut off and set to a wrong time: no job is lost and none is published twice."""

import os
import signal
import time
from pathlib import Path

import pytest

from segloop.jobs.job import JobKind
from tests.faults.proxy import HANG, NONE
from tests.faults.rig import LONG, Rig, sized, wait_for

LEASE_S = 3.0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_r3_a_storm_of_kills_loses_no_job_and_publishes_none_twice(rig: Rig) -> None:
    n, workers = sized(120, 3000), 4
    rig.relay()
    alive = [rig.worker() for _ in range(workers)]
    ids = rig.submit(n)
    began, kills, seen_open = time.monotonic(), 0, n
    while seen_open:
        assert time.monotonic() - began < sized(200, 1500)
        time.sleep(rig.random.uniform(1.5, 3.5))
        # One that got as far as to hear bells: on a slow host starting is all that the others do.
        heard = [i for i, worker in enumerate(alive) if any(worker.scratch.glob("alive-*"))]
        if not heard:
            continue
        victim = rig.random.choice(heard)
        rig.kill(alive[victim])
        kills += 1
        alive[victim] = rig.worker()
        seen_open = rig.n_open(ids)
    rig.note("kills", kills)
    rig.note("storm_s", round(time.monotonic() - began, 1))
    verdict = rig.settle(ids)
    assert verdict.states == {"succeeded": n}
    assert (verdict.n_lost, verdict.n_published_twice) == (0, 0)
    # A storm that never hit a running job would prove nothing.
    assert verdict.reasons.get("worker_lost", 0) > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_r1_a_dead_workers_job_is_taken_up_within_lease_and_fifteen_seconds(rig: Rig) -> None:
    own = (
        {"SEGLOOP_LEASE_S": "30", "SEGLOOP_HEARTBEAT_S": "10", "SEGLOOP_REAPER_INTERVAL_S": "5"}
        if LONG
        else {}
    )  # the long run measures what an installation is set to
    lease_s = 30.0 if LONG else LEASE_S
    rig.relay(**own)
    holder, ids, took = rig.worker(**own), [], []
    for _ in range(sized(2, 5)):
        (job_id,) = rig.submit(1, first_s=600.0)
        ids.append(job_id)
        rig.wait_running(job_id)
        other = rig.worker(**own)
        wait_for(lambda w=other: any(w.scratch.glob("alive-*")), "the other worker")  # type: ignore[misc]
        killed = time.time()
        rig.kill(holder)
        wait_for(lambda j=job_id: rig.claimed_at(j, 2), "to be taken up", lease_s + 60)  # type: ignore[misc]
        took.append(rig.claimed_at(job_id, 2).timestamp() - killed)
        holder = other
    rig.note("lease_s", lease_s)
    rig.note("taken_up_s", [round(seconds, 1) for seconds in took])
    assert rig.settle(ids).reasons["worker_lost"] == len(ids)
    assert max(took) <= lease_s + 15


@pytest.mark.slow
def test_r20_a_worker_that_was_stopped_past_its_lease_publishes_nothing(rig: Rig) -> None:
    rig.relay()
    zombie = rig.worker(work_s=1.0)
    (job_id,) = rig.submit(1)
    rig.wait_running(job_id)
    os.killpg(zombie.pid, signal.SIGSTOP)
    wait_for(lambda: rig.job(job_id).state == "queued", "the lease to end")
    other = rig.worker(work_s=0.05)
    wait_for(lambda: rig.job(job_id).state == "succeeded", "the other worker")
    published = rig.job(job_id).mask_id
    rig.kill(other)
    os.killpg(zombie.pid, signal.SIGCONT)
    # It is heard to have woken: it takes the next job.
    (after,) = rig.submit(1)
    wait_for(lambda: rig.job(after).state == "succeeded", "the zombie's next job")
    assert rig.job(job_id).mask_id == published
    verdict = rig.settle([job_id, after])
    assert verdict.reasons["worker_lost"] == 1


@pytest.mark.slow
def test_r21_a_worker_cut_off_from_the_database_stops_computing_when_its_lease_is_over(rig: Rig) -> None:
    rig.relay()
    own = rig.make_doors("postgres")
    cut = rig.worker(doors=own)
    (job_id,) = rig.submit(1, work_s=600.0)
    rig.wait_running(job_id)
    own["postgres"].set(HANG)
    began = time.monotonic()
    other = rig.worker()
    wait_for(lambda: rig.claimed_at(job_id, 2), "another worker", LEASE_S + 30)
    rig.note("taken_up_s", round(time.monotonic() - began, 1))
    wait_for(lambda: "stopped: the lease" in cut.log.read_text(), "the cut-off worker to stop", 30)
    rig.note("stopped_s", round(time.monotonic() - began, 1))
    assert time.monotonic() - began < LEASE_S + 15
    own["postgres"].set(NONE)
    # The second attempt would last, too: it is killed, and the one that was cut off is there again and does the rest.
    rig.kill(other)
    after = rig.submit(3)
    wait_for(lambda: not rig.n_open(after), "jobs after the partition")
    with_cancel = rig.job(job_id)
    assert with_cancel.mask_id is None
    rig.cancel(job_id)
    rig.settle([job_id, *after])


@pytest.mark.slow
def test_r25_workers_that_are_told_to_end_give_their_jobs_back_and_lose_none(rig: Rig) -> None:
    rig.relay()
    workers = [rig.worker(work_s=0.5) for _ in range(2)]
    ids = rig.submit(sized(12, 60))
    for _ in range(sized(3, 12)):
        time.sleep(rig.random.uniform(0.7, 1.5))
        workers.append(rig.worker(work_s=0.5))
        leaving = workers.pop(0)
        os.kill(leaving.pid, signal.SIGTERM)
        leaving.wait(60)
    verdict = rig.settle(ids)
    assert verdict.states == {"succeeded": len(ids)} and "internal" not in verdict.reasons


@pytest.mark.slow
@pytest.mark.parametrize("shift", ["+1h", "-1h", "+1d", "-1d"] if LONG else ["+1d"])
def test_r14_a_worker_whose_clock_is_wrong_steals_no_lease_and_keeps_its_own(rig: Rig, shift: str) -> None:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None and os.environ.get("CI") != "true":
        pytest.skip("NOT RUN: no libfaketime (apt-get install libfaketime)")
    assert library is not None, "CI=true needs libfaketime"
    rig.relay()
    wrong = rig.worker(
        LD_PRELOAD=str(library), FAKETIME=shift, FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1"
    )
    right = rig.worker(work_s=0.3)
    own = rig.submit(sized(6, 20), kind=JobKind.SELFTEST)
    ids = rig.submit(sized(6, 20))
    rig.note("clock", shift)
    verdict = rig.settle([*own, *ids])
    assert wrong.poll() is None and right.poll() is None
    assert verdict.reasons.get("worker_lost", 0) == 0
    assert verdict.states == {"succeeded": len(own) + len(ids)}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_r16_a_job_that_kills_its_worker_ends_as_a_dead_letter_and_the_others_are_done(rig: Rig) -> None:
    limit = {"SEGLOOP_MAX_INTERRUPTIONS": "3"}
    rig.relay(**limit)
    (killer,) = rig.submit(1, fault="killed")
    (raiser,) = rig.submit(1, fault="raises")
    good = rig.submit(sized(20, 100))
    worker = rig.worker(**limit)
    deaths = 0
    while rig.n_open([killer, raiser, *good]):
        if worker.poll() is not None:
            deaths += 1
            worker = rig.worker(**limit)
        time.sleep(0.1)
    rig.note("worker_deaths", deaths)
    verdict = rig.settle([killer, raiser, *good])
    assert verdict.states == {"succeeded": len(good), "failed": 2}
    assert (rig.job(killer).error_code, rig.job(killer).attempt) == ("worker_lost", 4)
    assert (rig.job(raiser).error_code, rig.job(raiser).attempt) == ("internal", 3)
    assert rig.job(killer).dead_letter and rig.job(raiser).dead_letter


@pytest.mark.slow
def test_r32_a_worker_of_an_older_version_leaves_jobs_that_it_does_not_know(rig: Rig) -> None:
    rig.relay()
    old = rig.worker(FAULTS_KINDS="selftest")
    unknown, known = rig.submit(3), rig.submit(3, kind=JobKind.SELFTEST)
    wait_for(lambda: not rig.n_open(known), "what it knows")
    assert rig.states(unknown) == {"queued": 3} and old.poll() is None
    rig.worker()
    assert rig.settle([*unknown, *known]).reasons["claimed"] == 6
