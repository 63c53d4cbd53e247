"""Send stored objects with ETag and Range."""

import json
import re
from typing import Any

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from segloop.errors import InvalidInput
from segloop.storage import ObjectStore

IMMUTABLE = "private, max-age=3600, immutable"


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
    """Stream an object, or the one byte range asked for (206), or 304 when the client has it.

    Raises:
        InvalidInput: `range_invalid`.
    """
    tag = f'"{etag}"'
    common = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": IMMUTABLE,
        "Content-Encoding": "identity",  # so that no middleware compresses voxels on the fly
        "X-Content-Type-Options": "nosniff",
        **(headers or {}),
    }
    if filename is not None:
        common["Content-Disposition"] = f'attachment; filename="{filename}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=common)
    wanted = request.headers.get("range")
    if wanted is None or request.headers.get("if-range", tag) != tag:
        common["Content-Length"] = str(size_bytes)
        return StreamingResponse(store.open(key), media_type=media_type, headers=common)
    start, stop = _range(wanted, size_bytes)
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
        "Access-Control-Expose-Headers": "X-Shape, X-Affine, X-Dtype",
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


def _range(header: str, size_bytes: int) -> tuple[int, int]:
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if match and (match[1] or match[2]):
        if not match[1]:
            start, stop = max(size_bytes - int(match[2]), 0), size_bytes
        else:
            start, stop = (
                int(match[1]),
                min(int(match[2]) + 1 if match[2] else size_bytes, size_bytes),
            )
        if start < stop:
            return start, stop
    raise InvalidInput(
        "range_invalid",
        f"Ask for one range inside the {size_bytes} bytes of this object.",
    )
