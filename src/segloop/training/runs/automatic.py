"""Retraining by itself: when a project's policy wants it, and asking for it where nobody gives feedback just then."""

import logging

from segloop.database import Connection, Engine, transaction
from segloop.errors import Conflict, InvalidInput, Unavailable
from segloop.jobs.job import Job
from segloop.model_versions import table as model_versions_table
from segloop.training.cases.case import list_cases, usable
from segloop.training.policies import table as policies_table
from segloop.training.policies.policy import current
from segloop.training.runs.lineage import novelty
from segloop.training.runs.start import Wanted, free, start

log = logging.getLogger(__name__)
ACTOR = "policy"
"""Who starts what came due without anybody's doing."""


def is_due(conn: Connection, *, project_id: str) -> bool:
    """Say whether the project's policy wants a retraining now."""
    policy = current(conn, project_id=project_id)
    if not policy.automatic:
        return False
    production = model_versions_table.find_production(conn, project_id=project_id)
    known = novelty(conn, project_id=project_id, production_id=production.id if production else None)
    able = free(conn, project_id, usable(list_cases(conn, project_id=project_id)))
    return sum(known.starts(case) for case in able) >= policy.minimum_corrections


def start_if_due(conn: Connection, *, project_id: str, actor: str) -> Job | None:
    """Start the policy's retraining if it is due and possible; feedback is never refused because it is not."""
    if not is_due(conn, project_id=project_id):
        return None
    policy = current(conn, project_id=project_id)
    wanted = Wanted(policy.automatic_kind, {}, "automatic", actor)
    try:
        with conn.begin_nested():
            job, _ = start(
                conn,
                project_id=project_id,
                wanted=wanted,
                request={"kind": "train", "training": policy.automatic_kind, "trigger": "automatic"},
            )
    except (Conflict, InvalidInput) as error:
        log.info("no retraining by itself: %s", error.code)
        return None
    return job


def start_where_due(engine: Engine) -> list[Job]:
    """Start what came due while another run was active, or by what no request told us; return the new jobs.

    It looks at how things stand and not at what happened, so nothing is missed that ended while this process was down.
    """
    with transaction(engine) as conn:
        projects = policies_table.list_automatic_and_idle(conn)
    started = []
    for project_id in projects:
        try:
            with transaction(engine) as conn:
                started.append(start_if_due(conn, project_id=project_id, actor=ACTOR))
        except Unavailable:
            raise
        except (
            Exception
        ):  # one project's trouble is no reason to leave the others, and all other work, waiting
            log.exception("could not ask whether project %s is to be retrained", project_id)
    return [job for job in started if job is not None]
