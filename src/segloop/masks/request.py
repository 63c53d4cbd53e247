"""Ask for a segmentation of a volume by a pinned model version."""

import hashlib
import json
from typing import Any

from segloop.database import Connection
from segloop.errors import Conflict, InvalidInput, NotFound
from segloop.jobs.job import Job, JobKind, Priority
from segloop.jobs.submit import submit
from segloop.model_versions import table as model_versions_table
from segloop.model_versions.profiles import MIRRORING_AXES, Profile, require_profile
from segloop.projects.table import is_uuid
from segloop.volumes import table as volumes_table


def request(
    conn: Connection,
    *,
    project_id: str,
    actor: str,
    volume_id: str,
    model_version_id: str | None,
    priority: Priority,
    hu_confirmed: bool,
    hu_offset: float | None,
    profile: Profile,
    request: dict[str, Any],
    idempotency_key: str | None,
    again: bool = False,
) -> tuple[Job, bool]:
    """Submit a segmentation of a volume; the model version in production now is pinned.

    Returns (job, whether it is new): the same work is one job, whoever asks for it (see `name_of`); `again` does it
    once more where it has succeeded.

    Raises:
        NotFound: `volume_unknown`, also for a volume of another project; `model_version_unknown`.
        InvalidInput: `not_hu_like` without a confirmation or an offset.
        Conflict: `no_model` when the project has no version in production; `profile_unavailable`.
    """
    unknown = NotFound("volume_unknown", "There is no such volume. Upload the CT first.")
    if not is_uuid(volume_id):
        raise unknown
    volume = volumes_table.get(conn, volume_id)
    if volume.project_id != project_id:
        raise unknown
    require_hu(volume, hu_confirmed=hu_confirmed, hu_offset=hu_offset)
    version = pin(conn, project_id=project_id, model_version_id=model_version_id, profile=profile)
    return submit(
        conn,
        project_id=project_id,
        actor=actor,
        kind=JobKind.SEGMENT,
        request=request,
        priority=priority,
        volume_id=volume_id,
        model_version_id=version.id,
        idempotency_key=idempotency_key,
        natural_key=name_of(
            volume_id=volume_id, model_version_id=version.id, profile=profile, hu_offset=hu_offset
        ),
        again=again,
        parameters={
            "profile": profile,
            "hu_confirmed": hu_confirmed,
            "hu_offset": hu_offset,
        },
    )


def name_of(*, volume_id: str, model_version_id: str, profile: Profile, hu_offset: float | None) -> str:
    """Return the natural key of a segmentation: a SHA-256 over all that its mask follows from.

    Whether somebody confirmed that the values are HU isn't among that: it allows the work and doesn't change it.
    """
    work = [str(JobKind.SEGMENT), volume_id, model_version_id, profile, float(hu_offset or 0.0)]
    return hashlib.sha256(json.dumps(work).encode()).hexdigest()


def require_hu(volume: Any, *, hu_confirmed: bool, hu_offset: float | None) -> None:
    """Check that a volume's values look like HU, or that somebody said what they are.

    Raises:
        InvalidInput: `not_hu_like`.
    """
    if not volume.is_hu_like and not hu_confirmed and hu_offset is None:
        raise InvalidInput(
            "not_hu_like",
            f"The values run from {volume.hu_min:g} to {volume.hu_max:g} and don't look like HU of a CT. If this is a CT, "
            "confirm it (hu_confirmed) or state the offset to add (hu_offset, often -1024 for files stored as 0..4095).",
            hu_min=volume.hu_min,
            hu_max=volume.hu_max,
        )


def pin(conn: Connection, *, project_id: str, model_version_id: str | None, profile: Profile) -> Any:
    """Return the version that is asked for, or else the one in production.

    Raises:
        NotFound: `model_version_unknown`.
        Conflict: `no_model`, `model_version_rejected`, `profile_unavailable`.
    """
    version = _version(conn, project_id=project_id, model_version_id=model_version_id)
    require_profile(profile, version.details.get(MIRRORING_AXES))
    return version


def _version(conn: Connection, *, project_id: str, model_version_id: str | None) -> Any:
    if model_version_id is None:
        version = model_versions_table.find_production(conn, project_id=project_id)
        if version is None:
            raise Conflict(
                "no_model",
                "This project has no model version in production; import and promote one first.",
            )
        return version
    if not is_uuid(model_version_id):
        raise model_versions_table.unknown()
    version = model_versions_table.get(conn, model_version_id)
    if version.project_id != project_id:
        raise model_versions_table.unknown()
    if version.stage == "rejected":
        raise Conflict(
            "model_version_rejected",
            f"Version v{version.number} was rejected; choose another.",
        )
    return version
