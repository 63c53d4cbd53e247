"""Send stored objects with ETag and Range."""

import json
import re
from typing import Any

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from segloop.storage import ObjectStore

CHECKED = "private, no-cache"
"""A browser may keep it, and asks each time whether it may still show it: who was signed out or removed sees nothing more."""


def send(
    request: Request,
    store: ObjectStore,
    key: str,
    *,
    size_bytes: int,
    etag: str,
    media_type: str,
    filename: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Stream an object, or the one byte range asked for (206), or 304 when the client has it (RFC 9110).

    A range that lies outside is 416; several ranges, or another unit, are answered with the whole.
    """
    tag = f'"{etag}"'
    common = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": CHECKED,
        "Content-Encoding": "identity",  # so that no middleware compresses voxels on the fly
        "X-Content-Type-Options": "nosniff",
        **(headers or {}),
    }
    if filename is not None:
        common["Content-Disposition"] = f'attachment; filename="{filename}"'
    if names(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=common)
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", request.headers.get("range", "").strip())
    if not match or not (match[1] or match[2]) or request.headers.get("if-range", tag) != tag:
        common["Content-Length"] = str(size_bytes)
        return StreamingResponse(store.open(key), media_type=media_type, headers=common)
    start, stop = _range(match[1], match[2], size_bytes)
    if start >= stop:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size_bytes}"})
    common |= {
        "Content-Range": f"bytes {start}-{stop - 1}/{size_bytes}",
        "Content-Length": str(stop - start),
    }
    body = store.open(key, offset=start, size_bytes=stop - start)
    return StreamingResponse(body, status_code=206, media_type=media_type, headers=common)


def send_level(request: Request, store: ObjectStore, prefix: str, *, level: int, etag: str) -> Response:
    """Send one viewer level; its grid is in the headers X-Shape and X-Affine, its type in X-Dtype."""
    meta: dict[str, Any] = json.loads(store.read(f"{prefix}/level-{level}.json"))
    headers = {
        "X-Shape": json.dumps(meta["shape"]),
        "X-Affine": json.dumps(meta["affine"]),
        "X-Dtype": meta["dtype"],
    }
    return send(
        request,
        store,
        f"{prefix}/level-{level}",
        size_bytes=meta["bytes"],
        etag=f"{etag}-{level}",
        media_type="application/octet-stream",
        headers=headers,
    )


def names(header: str, tag: str) -> bool:
    """Say whether an If-None-Match header names the tag, as one of several, weakly, or by `*`."""
    return any(item.strip().removeprefix("W/") in (tag, "*") for item in header.split(","))


def _range(first: str, last: str, size_bytes: int) -> tuple[int, int]:
    """Return the bytes [start, stop) that `first`-`last` means, empty where it lies outside."""
    if not first:
        return max(size_bytes - int(last), 0), size_bytes
    return int(first), min(int(last) + 1 if last else size_bytes, size_bytes)
