"""Register a converted bundle as a candidate version of a project."""

import hashlib
import io
import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import Conflict
from segloop.imaging.labels import LabelSet
from segloop.jobs.table import lock_name
from segloop.model_versions import table
from segloop.model_versions.profiles import MIRRORING_AXES, REGIONS
from segloop.projects import table as projects_table
from segloop.storage import ObjectStore


def pack(folder: Path) -> bytes:
    """Return the bundle folder as a tar whose bytes depend on nothing but the files' names and content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(item for item in folder.iterdir() if item.is_file()):
            info = tarfile.TarInfo(path.name)
            info.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(info, file)
    return buffer.getvalue()


def unpack(body: bytes, folder: Path) -> None:
    """Write a packed bundle's files into an existing folder; a bundle has plain files of plain names, and nothing else.

    Raises:
        Conflict: `bundle_corrupt`.
    """
    # Not `extractall(filter=...)`: the first releases of Python 3.11, Debian 12's among them, don't have filters.
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or member.name != Path(member.name).name:
                raise Conflict(
                    "bundle_corrupt",
                    "The stored model holds something else than plain files; import it again.",
                )
            with (folder / member.name).open("wb") as file:
                shutil.copyfileobj(content, file)


def register(
    conn: Connection,
    store: ObjectStore,
    *,
    project_id: str,
    folder: Path,
    name: str,
    labels: list[dict[str, Any]],
    orientation: str,
    card: str,
    details: dict[str, Any],
    actor: str,
    parent_id: str | None = None,
) -> tuple[Row[Any], bool]:
    """Store a bundle and insert it as the project's next candidate; return (version, whether it is new).

    A bundle of the same bytes is registered once. The model's labels must be those of one of the project's label sets, by
    name and index.

    Raises:
        Conflict: `label_set_mismatch`, naming the labels.
    """
    stored = store_bundle(store, folder)
    return insert(
        conn,
        stored,
        project_id=project_id,
        name=name,
        labels=labels,
        orientation=orientation,
        card=card,
        details=details,
        actor=actor,
        parent_id=parent_id,
    )


@dataclass(frozen=True)
class StoredBundle:
    """A bundle whose object is stored and whose row is not yet there."""

    object_key: str
    sha256: str
    size_bytes: int
    details: dict[str, Any]


def store_bundle(store: ObjectStore, folder: Path) -> StoredBundle:
    """Store a bundle under the hash of its bytes; a repeat stores the same."""
    body = pack(folder)
    digest = hashlib.sha256(body).hexdigest()
    key = f"model_versions/{digest}"
    store.put_bytes(key, body)
    model = json.loads((folder / "model.json").read_text())
    is_of_regions = any(isinstance(value, list) for value in model["dataset"]["labels"].values())
    return StoredBundle(
        key, digest, len(body), {MIRRORING_AXES: model["mirroring_axes"], REGIONS: is_of_regions}
    )


def insert(
    conn: Connection,
    stored: StoredBundle,
    *,
    project_id: str,
    name: str,
    labels: list[dict[str, Any]],
    orientation: str,
    card: str,
    details: dict[str, Any],
    actor: str,
    parent_id: str | None = None,
) -> tuple[Row[Any], bool]:
    """Insert a stored bundle as the project's next candidate; return (version, whether it is new).

    Raises:
        Conflict: `label_set_mismatch`, naming the labels.
    """
    digest = stored.sha256
    # Two registrations at once would take the same number, or both be the first of these bytes.
    lock_name(conn, f"model_versions/{project_id}")
    known = table.find_by_sha256(conn, project_id=project_id, sha256=digest)
    if known is not None:
        return known, False
    label_set = _matching_label_set(conn, project_id=project_id, labels=labels)
    row = table.insert_version(
        conn,
        project_id=project_id,
        created_by=actor,
        name=name,
        label_set_id=label_set.id,
        object_key=stored.object_key,
        sha256=digest,
        size_bytes=stored.size_bytes,
        parent_id=parent_id,
        orientation=orientation,
        card=card,
        details={**details, **stored.details},
    )
    record(
        conn,
        actor=actor,
        action="model_version.registered",
        object_type="model_version",
        object_id=row.id,
        project_id=project_id,
        sha256=digest,
    )
    return row, True


def _matching_label_set(conn: Connection, *, project_id: str, labels: list[dict[str, Any]]) -> Row[Any]:
    wanted = {(label["name"], label["index"]) for label in labels}
    sets = projects_table.list_label_sets(conn, project_id=project_id)
    for row in sets:
        if {
            (label["name"], label["index"]) for label in LabelSet.from_dicts(row.labels).to_dicts()
        } == wanted:
            return row
    newest = {(label["name"], label["index"]) for label in sets[0].labels} if sets else set()
    differing = ", ".join(
        f"{name}={index}" for name, index in sorted(wanted ^ newest, key=lambda pair: pair[1])
    )
    raise Conflict(
        "label_set_mismatch",
        f"The model's labels are not those of any label set of this project. They differ in: {differing}. "
        "Import it into a project of its own, or append a label set with the same names and indices.",
    )
