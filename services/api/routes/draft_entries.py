"""Entries of drafts: append an edit, read edits back."""

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from sqlalchemy import Row

from segloop import schemas
from segloop.errors import TooLarge
from segloop.masks.drafts import table
from segloop.masks.drafts.append import append
from segloop.masks.drafts.entry import MAX_BYTES, Entry, read_body
from services.api.deps import ActorDep, ConnectionDep, PartsDep, require_uuid

router = APIRouter(tags=["drafts"])

Hash = Annotated[str, Header(pattern="^[0-9a-f]{64}$")]
PAGE_BYTES = 16 << 20


async def entry_body(request: Request, actor: ActorDep) -> bytes:
    """Read the body of one entry, refusing more than an entry may have."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise TooLarge(
                "entry_too_large",
                f"One edit may have {MAX_BYTES} bytes at most; send it in several.",
                max_bytes=MAX_BYTES,
            )
    return bytes(body)


BYTES = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}


@router.put("/drafts/{draft_id}/entries/{sequence}", status_code=201, openapi_extra={"requestBody": BYTES})
def put_entry(
    draft_id: str,
    sequence: Annotated[int, Path(ge=1, le=2**31 - 1)],
    body: Annotated[bytes, Depends(entry_body)],
    x_operation: Annotated[str, Header(max_length=40)],
    x_label: Annotated[int, Header(ge=0, le=65535)],
    x_parent_hash: Hash,
    x_hash: Hash,
    conn: ConnectionDep,
    actor: ActorDep,
    parts: PartsDep,
    response: Response,
) -> schemas.Head:
    """Append an edit (runs, 12 bytes each; JSON for `review`): 201 when it is durable, 200 when it was there."""
    entry = Entry(sequence, x_operation, x_label, x_parent_hash, x_hash, body)
    new = append(conn, parts.store, require_uuid(draft_id), entry, actor=actor.name)
    response.status_code = 201 if new else 200
    return schemas.Head(sequence=sequence, hash=x_hash)


@router.get("/drafts/{draft_id}/entries")
def list_entries(
    draft_id: str,
    conn: ConnectionDep,
    parts: PartsDep,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> schemas.EntryPage:
    """Return entries in order; a page ends early when it gets large."""
    draft = table.get(conn, require_uuid(draft_id))
    items: list[schemas.EntryOut] = []
    size = 0
    for row in table.list_entries(conn, draft_id, after=after, until=draft.head_sequence, limit=limit):
        size += row.size_bytes
        if items and size > PAGE_BYTES:
            break
        items.append(_entry(row, read_body(parts.store, row)))
    last = items[-1].sequence if items else after
    return schemas.EntryPage(items=items, next_after=last if items and last < draft.head_sequence else None)


def _entry(row: Row[Any], body: bytes) -> schemas.EntryOut:
    return schemas.EntryOut(
        sequence=row.sequence,
        operation=row.operation,
        label=row.label,
        hash=row.hash,
        parent_hash=row.parent_hash,
        body=base64.b64encode(body).decode(),
        created_by=row.created_by,
        created_at=row.created_at,
    )
