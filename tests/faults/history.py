"""What must hold of every job whatever was done to the system, read from what it wrote down itself (I1 to I6)."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from segloop.audit.table import audit_events
from segloop.database import Engine, transaction
from segloop.errors import NotFound
from segloop.jobs.job import ENDED, TRANSITIONS, JobState
from segloop.jobs.table import job_events, jobs
from segloop.masks.table import masks
from segloop.storage import ObjectStore

BACK = {
    "worker_lost",
    "stopped",
    "internal",
    "storage_unavailable",
    "database_unavailable",
    "scratch_full",
}
"""Why a job that runs may be queued again."""
_ATTEMPT = re.compile(r"/attempt-(\d+)/")


@dataclass(frozen=True)
class Verdict:
    """What was found: `broken` in words, none where all holds; how often each reason was seen; states by number."""

    broken: list[str]
    reasons: dict[str, int]
    states: dict[str, int]
    n_published_twice: int
    n_lost: int


def judge(engine: Engine, store: ObjectStore, accepted: Collection[str]) -> Verdict:
    """Judge the jobs that the system said yes to, once none of them waits or runs any more (I5 is who waited for that)."""
    ids = list(accepted)
    with transaction(engine) as conn:
        rows = {row.id: row for row in conn.execute(select(jobs).where(jobs.c.id.in_(ids)))}
        events: dict[str, list[Any]] = defaultdict(list)
        for event in conn.execute(
            select(job_events).where(job_events.c.job_id.in_(ids)).order_by(job_events.c.id)
        ):
            events[event.job_id].append(event)
        published: dict[str, list[Any]] = defaultdict(list)
        for mask in conn.execute(select(masks).where(masks.c.job_id.in_(ids))):
            published[mask.job_id].append(mask)
        told = select(audit_events.c.object_id).where(
            audit_events.c.action == "job.submitted", audit_events.c.object_id.in_(ids)
        )
        submitted = list(conn.execute(told).scalars())
    broken: list[str] = []
    lost = 0
    for job_id in ids:
        row = rows.get(job_id)
        if row is None or row.state not in ENDED:
            lost += 1
            broken.append(f"I1 {job_id}: {'no row' if row is None else row.state}")
            continue
        broken += [f"{problem} ({job_id})" for problem in _history(row, events[job_id])]
        broken += [f"{problem} ({job_id})" for problem in _results(store, row, published[job_id])]
    if sorted(submitted) != sorted(ids):
        broken.append(f"I6: {len(submitted)} jobs on the audit record, {len(ids)} accepted")
    reasons: dict[str, int] = defaultdict(int)
    states: dict[str, int] = defaultdict(int)
    for event in (event for job_id in ids for event in events[job_id]):
        reasons[event.reason] += 1
    for row in rows.values():
        states[row.state] += 1
    twice = sum(len(found) > 1 for found in published.values())
    return Verdict(broken, dict(reasons), dict(states), twice, lost)


def _history(row: Any, events: list[Any]) -> list[str]:
    """I1, I4 and I6: each change is written down, follows from the one before, and the last is what the row says."""
    broken = []
    states = [JobState(event.state) for event in events]
    if not states or states[0] is not JobState.QUEUED:
        return ["I6: its history does not begin with being queued"]
    for before, event in zip(states, events[1:], strict=False):
        after = JobState(event.state)
        if after not in TRANSITIONS[before]:
            broken.append(f"I4: {before} -> {after}")
        if (before, after) == (JobState.RUNNING, JobState.QUEUED) and event.reason not in BACK:
            broken.append(f"I4: queued again because of {event.reason}")
    claimed = [event.attempt for event in events if event.reason == "claimed"]
    if claimed != list(range(1, row.attempt + 1)):
        broken.append(f"I6: attempts {claimed} on record, {row.attempt} in the row")
    if sum(state in ENDED for state in states) != 1 or states[-1] != row.state:
        broken.append(f"I1: ended as {[str(state) for state in states if state in ENDED]}, is {row.state}")
    return broken


def _results(store: ObjectStore, row: Any, published: list[Any]) -> list[str]:
    """I2 and I3: one result of the last attempt where it succeeded, none where not, and its bytes are those on record."""
    if row.kind != "segment":
        return []
    if row.state != "succeeded":
        return [f"I2: {row.state} with a result"] if published or row.mask_id else []
    if [mask.id for mask in published] != [row.mask_id]:
        return [f"I2: {len(published)} results"]
    (mask,) = published
    made = _ATTEMPT.search(mask.object_key)
    if made is None or int(made[1]) != row.attempt:
        return [f"I2: the result is {mask.object_key}, the last attempt {row.attempt}"]
    try:
        body = store.read(mask.object_key)
    except NotFound:
        return ["I3: the result's object is missing"]
    return [] if hashlib.sha256(body).hexdigest() == mask.sha256 else ["I3: other bytes than on record"]
