"""Chain audit events by hashes, so that a changed, added or missing one is found.

Each seal is the SHA-256 of the seal before it and its event. Sealing is a step of its own, a moment after the events are
committed: chaining them as they are written would have every transaction wait for every other.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from sqlalchemy import Row

from segloop.audit.seals import table
from segloop.database import Connection

FIRST = "0" * 64
LATE_S = 60.0
"""An event without a seal for longer is one that somebody put in, or nobody seals any more."""
_MOST_TOLD = 20


@dataclass(frozen=True)
class Verdict:
    """What a check of the whole record found: `problems` in words, none where all is as it was written."""

    n_events: int
    head: str
    problems: list[str] = field(default_factory=list)


def seal_once(conn: Connection, *, limit: int = 500) -> int:
    """Seal events that have none and return how many; nothing while another process does so."""
    if not table.try_lock(conn):
        return 0
    events = table.list_unsealed(conn, limit=limit)
    last = table.find_last(conn)
    sequence, previous = (0, FIRST) if last is None else (last.sequence, last.hash)
    seals: list[dict[str, object]] = []
    for event in events:
        sequence, previous = sequence + 1, _hash(previous, event)
        seals.append({"sequence": sequence, "event_id": event.id, "hash": previous})
    if seals:
        table.insert_seals(conn, seals)
    return len(seals)


def head(conn: Connection) -> str:
    """Return the newest seal as "sequence:hash", to be kept elsewhere: with it nobody can cut the record's end off unseen."""
    last = table.find_last(conn)
    return f"0:{FIRST}" if last is None else f"{last.sequence}:{last.hash}"


def verify(conn: Connection, *, kept_head: str | None = None) -> Verdict:
    """Compute every seal again and return what does not fit; `kept_head` is what `head` gave some time ago."""
    problems: list[str] = []
    expected, previous, seen = 1, FIRST, False
    for row in table.walk(conn):
        if row.sequence != expected:
            problems.append(f"Seals {expected} to {row.sequence - 1} are missing.")
        if row.id is None:
            problems.append(f"Event {row.event_id} (seal {row.sequence}) is missing.")
        elif row.hash != _hash(previous, row):
            problems.append(f"Event {row.event_id} (seal {row.sequence}) is not as it was written.")
        # Goes on from what stands there, so that one change is told once.
        expected, previous = row.sequence + 1, row.hash
        seen = seen or kept_head == f"{row.sequence}:{row.hash}"
    if kept_head is not None and not seen and kept_head != f"0:{FIRST}":
        problems.append(
            f"The head {kept_head} that was kept is not in the record: its end was cut off or rewritten."
        )
    late = table.count_old_unsealed(conn, after_s=LATE_S)
    if late:
        problems.append(
            f"{late} events have no seal though they are older than a minute: they were put in, or the relay does not run."
        )
    told = problems[:_MOST_TOLD]
    if len(problems) > _MOST_TOLD:
        told.append(f"And {len(problems) - _MOST_TOLD} more.")
    return Verdict(expected - 1, f"{expected - 1}:{previous}", told)


def _hash(previous: str, event: Row[Any]) -> str:
    content = [
        event.id,
        event.project_id,
        event.actor,
        event.action,
        event.object_type,
        event.object_id,
        event.detail,
        event.at.astimezone(UTC).isoformat(),
    ]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()
