"""Fetch a version's bundle from the store."""

import hashlib
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from segloop.errors import InvalidInput
from segloop.model_versions.register import unpack
from segloop.storage import ObjectStore


def fetch_bundle(store: ObjectStore, version: Row[Any], folder: Path) -> None:
    """Write a version's bundle into an existing folder, checked against the hash it was registered with.

    Raises:
        InvalidInput: `model_damaged`.
        Conflict: `bundle_corrupt`.
    """
    body = store.read(version.object_key)
    if hashlib.sha256(body).hexdigest() != version.sha256:
        raise InvalidInput(
            "model_damaged",
            f"The stored model of v{version.number} was changed. Tell operations.",
        )
    unpack(body, folder)
