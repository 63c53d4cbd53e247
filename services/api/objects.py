"""Whose an object is: the project that each kind of id leads to, and the check that every use of one goes through."""

from collections.abc import Callable
from typing import Any

from segloop.accounts.actor import Actor
from segloop.accounts.roles import Role
from segloop.database import Connection
from segloop.errors import InvalidInput, NotFound
from segloop.jobs import table as jobs
from segloop.masks import table as masks
from segloop.masks.drafts import table as drafts
from segloop.model_versions import table as model_versions
from segloop.projects import table as projects
from segloop.projects.table import is_uuid
from segloop.studies import table as studies
from segloop.studies.orders import table as orders
from segloop.training.runs import table as training_runs
from segloop.volumes import table as volumes
from segloop.webhooks import table as webhooks

_NOBODYS = "00000000-0000-0000-0000-000000000000"
_GET: dict[str, Callable[[Connection, str], Any]] = {
    "volume_id": volumes.get,
    "mask_id": masks.get,
    "draft_id": drafts.get,
    "job_id": jobs.get,
    "upload_id": volumes.get_upload,
    "model_version_id": model_versions.get,
    "training_run_id": training_runs.get,
    "series_id": studies.get_series,
    "order_id": orders.get,
    "webhook_id": webhooks.get,
}
KINDS = ("project", *_GET)
"""The path parameters that name an object of a project."""


def require(conn: Connection, actor: Actor, kind: str, value: str, role: Role) -> str | None:
    """Check that an actor has a role in the project of an object, and return the project's id (None: it has none).

    Raises:
        NotFound: what the object's own room says of an absent one, also where it is in a project that is not the actor's.
        Forbidden: `role_missing`; InvalidInput: `id_invalid`.
    """
    project_id = _project_of(conn, kind, value)
    if actor.is_site_admin:
        return project_id
    if project_id is None or project_id not in actor.roles:
        _project_of(conn, kind, _NOBODYS)
        raise NotFound("object_unknown", "There is no such object.")
    actor.require(project_id, role)
    return project_id


def require_uuid(value: str) -> str:
    """Return an id that has a UUID's form; anything else names nothing we have.

    Raises:
        InvalidInput: `id_invalid`.
    """
    if not is_uuid(value):
        raise InvalidInput("id_invalid", "This id is not valid.")
    return value


def _project_of(conn: Connection, kind: str, value: str) -> str | None:
    if kind == "project":
        return str(projects.get(conn, value).id)
    found = _GET[kind](conn, require_uuid(value)).project_id
    return None if found is None else str(found)
