"""SQL of the worklist: it has no table of its own, and says where a case stands from what is recorded about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, Subquery, Table, case, func, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on

from segloop.database import Connection
from segloop.feedback.table import feedback
from segloop.jobs.table import jobs
from segloop.masks.drafts.table import drafts
from segloop.masks.table import masks
from segloop.volumes.table import patients, volumes
from segloop.worklist.state import CaseState


@dataclass(frozen=True)
class Filter:
    """Which cases are asked for; `search` is a part of the case reference, in any case of its letters.

    `volume_ids` None is all of them.
    """

    project_id: str
    actor: str
    states: Sequence[CaseState] = ()
    search: str = ""
    is_mine: bool = False
    volume_ids: Sequence[str] | None = None


def list_(
    conn: Connection, wanted: Filter, *, limit: int, before: tuple[datetime, str] | None
) -> Sequence[Row[Any]]:
    """Return cases, the one touched last first; `before` is the (touched_at, id) of the last one seen.

    A row is a volume's with its patient's pseudonym, `state`, the newest mask's id and kind, who touched the case last and when, whether `actor`
    has an open draft of it, and how many drafts others have.

    Somebody's open draft with an edit in it means *in review*. Else the newest mask decides: by the newest verdict
    since it was made, or by its kind (a correction or ground truth is *corrected*, other masks are *segmented*).
    Without a mask the newest job decides between *segmenting*, *failed* and *new*.
    """
    found = _matching(wanted, states=wanted.states).subquery()
    query = select(found).order_by(found.c.touched_at.desc(), found.c.id.desc()).limit(limit)
    if before:
        query = query.where(tuple_(found.c.touched_at, found.c.id) < before)
    return conn.execute(query).all()


def count_by_state(conn: Connection, wanted: Filter) -> dict[str, int]:
    """Return how many cases each state has, whatever states are asked for."""
    found = _matching(wanted, states=()).subquery()
    rows = conn.execute(select(found.c.state, func.count().label("n")).group_by(found.c.state))
    return {row.state: row.n for row in rows}


def find_resumable(conn: Connection, *, project_id: str, actor: str) -> Row[Any, Any, Any, Any] | None:
    """Return the volume's id, case reference and time of the draft that a person worked on last, if one is open."""
    return conn.execute(
        select(volumes.c.id, volumes.c.case_reference, drafts.c.base_mask_id, drafts.c.updated_at)
        .join(volumes, volumes.c.id == drafts.c.volume_id)
        .where(
            drafts.c.project_id == project_id,
            drafts.c.created_by == actor,
            drafts.c.state == "open",
            drafts.c.head_sequence > 0,
        )
        .order_by(drafts.c.updated_at.desc(), drafts.c.id.desc())
        .limit(1)
    ).one_or_none()


def _matching(wanted: Filter, *, states: Sequence[CaseState]) -> Select[Any]:
    cases = _cases(wanted.project_id, wanted.actor).subquery()
    query = select(cases)
    if wanted.search:
        query = query.where(cases.c.case_reference.icontains(wanted.search, autoescape=True))
    if wanted.volume_ids is not None:
        query = query.where(cases.c.id.in_(wanted.volume_ids))
    if wanted.is_mine:
        query = query.where(or_(cases.c.touched_by == wanted.actor, cases.c.has_draft))
    if states:
        query = query.where(cases.c.state.in_(states))
    return query


def _cases(project_id: str, actor: str) -> Select[Any]:
    mask = _newest(masks, project_id)
    job = _newest(jobs, project_id)
    verdict = _newest(feedback, project_id)
    draft = _open_drafts(project_id, actor)
    is_judged = verdict.c.created_at >= mask.c.created_at
    state = case(
        (draft.c.volume_id.is_not(None), "in_review"),
        (is_judged, verdict.c.verdict),
        (mask.c.kind.in_(("correction", "ground_truth")), "corrected"),
        (mask.c.id.is_not(None), "segmented"),
        (job.c.state.in_(("queued", "running")), "segmenting"),
        (job.c.state == "failed", "failed"),
        else_=literal("new"),
    )
    touched = func.greatest(volumes.c.created_at, mask.c.created_at, verdict.c.created_at, draft.c.updated_at)
    return (
        select(
            volumes,
            patients.c.pseudonym,
            state.label("state"),
            mask.c.id.label("mask_id"),
            mask.c.kind.label("mask_kind"),
            touched.label("touched_at"),
            case(
                (touched == draft.c.updated_at, draft.c.created_by),
                (touched == verdict.c.created_at, verdict.c.created_by),
                (touched == mask.c.created_at, mask.c.created_by),
                else_=volumes.c.created_by,
            ).label("touched_by"),
            func.coalesce(draft.c.is_mine, False).label("has_draft"),
            func.coalesce(draft.c.n_other_drafts, 0).label("n_other_drafts"),
        )
        .join(patients, patients.c.id == volumes.c.patient_id)
        .outerjoin(mask, mask.c.volume_id == volumes.c.id)
        .outerjoin(job, job.c.volume_id == volumes.c.id)
        .outerjoin(verdict, verdict.c.volume_id == volumes.c.id)
        .outerjoin(draft, draft.c.volume_id == volumes.c.id)
        .where(volumes.c.project_id == project_id)
    )


def _newest(table: Table, project_id: str) -> Subquery:
    """Return the newest row of each volume."""
    return (
        select(table)
        .ext(distinct_on(table.c.volume_id))
        .where(table.c.project_id == project_id, table.c.volume_id.is_not(None))
        .order_by(table.c.volume_id, table.c.created_at.desc(), table.c.id.desc())
        .subquery()
    )


def _open_drafts(project_id: str, actor: str) -> Subquery:
    """Return, for each volume that somebody is editing, who did so last and when; a draft without an edit is none."""
    is_mine = drafts.c.created_by == actor
    return (
        select(
            drafts.c.volume_id,
            drafts.c.updated_at,
            drafts.c.created_by,
            func.bool_or(is_mine).over(partition_by=drafts.c.volume_id).label("is_mine"),
            func.count().filter(~is_mine).over(partition_by=drafts.c.volume_id).label("n_other_drafts"),
        )
        .ext(distinct_on(drafts.c.volume_id))
        .where(drafts.c.project_id == project_id, drafts.c.state == "open", drafts.c.head_sequence > 0)
        .order_by(drafts.c.volume_id, drafts.c.updated_at.desc(), drafts.c.id.desc())
        .subquery()
    )
