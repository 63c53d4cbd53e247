"""What a request names: the ids in its path, its query and its JSON, wherever they stand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import Request

from segloop.projects.table import is_uuid

MOST = 200
"""How many ids of one request are looked for."""
_PROJECT = ("project", "project_id")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


@dataclass(frozen=True)
class Named:
    """Ids (UUIDs in lower case) in the order of path, query and body, and what may be slugs of projects."""

    ids: tuple[str, ...]
    slugs: tuple[str, ...]


def of(request: Request) -> Named:
    """Return what a request names that was read already; nothing more is read of it."""
    texts = [*request.path_params.items(), *request.query_params.multi_items()]
    # Where FastAPI read a body as JSON it is kept here; asking for it in the open would read on from one that never ends.
    texts += _texts(getattr(request, "_json", None))
    ids = dict.fromkeys(text.lower() for _, text in texts if is_uuid(text))
    slugs = dict.fromkeys(text for key, text in texts if key in _PROJECT and _SLUG.fullmatch(text))
    return Named(tuple(ids)[:MOST], tuple(slugs)[:MOST])


def _texts(value: object) -> Iterator[tuple[str, str]]:
    """Yield the texts in a JSON value, each with the key that it stands under; however deep, for a caller made it."""
    left: list[tuple[str, object]] = [("", value)]
    for key, one in left:
        if isinstance(one, str):
            yield key, one
        elif isinstance(one, list):
            left += [(key, item) for item in one]
        elif isinstance(one, dict):
            left += one.items()
