"""A volume in one request: the body goes straight to scratch and is hashed on the way. For clients that can send it again."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from segloop import schemas
from segloop.database import transaction
from segloop.errors import InvalidInput, Unavailable
from segloop.imaging.sandbox import PLACE_WAIT_S, Reading, Sandbox
from segloop.projects import table as projects_table
from segloop.volumes import upload
from services.api import completion
from services.api.deps import ActorDep, Parts, PartsDep

router = APIRouter(tags=["uploads"])
SILENCE_S = 60.0
"""How long a body may stop coming before its place is given to others."""
LEAST_BYTES_PER_S = 32 * 1024
"""How slowly a body may come on average once `SILENCE_S` have passed: drop by drop it would hold its place for hours."""


TAR = "application/x-tar"
PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Received:
    """A file at `folder`/input, which is removed when the request has ended; or a tar that was read while it came."""

    folder: Path
    digest: str
    size_bytes: int
    reading: Reading | None = None


async def received_body(
    project: str, request: Request, parts: PartsDep, actor: ActorDep
) -> AsyncIterator[Received]:
    """Take the body, holding one of the places of those whose files are checked: to scratch, or a tar to its reader.

    Raises:
        NotFound: `project_unknown`. InvalidInput: `file_too_large`, `upload_stalled`, `dicom_not_set_up`.
        Unavailable: `parser_busy`, `scratch_full`.
    """
    await run_in_threadpool(_require_project, parts, project)
    async with AsyncExitStack() as stack:
        await _enter_place(stack, parts.sandbox)
        folder = Path(
            stack.enter_context(TemporaryDirectory(dir=parts.settings.scratch, prefix="segloop-upload-"))
        )
        most = parts.settings.max_upload_bytes
        if request.headers.get("content-type") == TAR:
            completion.require_dicom(parts)
            received = await _feed(request, folder, parts.sandbox, most)
            assert received.reading is not None
            stack.callback(received.reading.give_up)
            yield received
        else:
            yield await _write(request, folder, most)


async def _enter_place(stack: AsyncExitStack, sandbox: Sandbox) -> None:
    # Without a thread: the API has few, and as many as wait here would leave none for anything else.
    end = time.monotonic() + PLACE_WAIT_S
    while True:
        try:
            stack.enter_context(sandbox.place(wait_s=0.0))
            return
        except Unavailable:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(0.1)


async def _write(request: Request, folder: Path, most: int) -> Received:
    digest, size = hashlib.sha256(), 0
    try:
        with (folder / "input").open("xb") as file:
            async for chunk in _chunks(request, most):
                size += len(chunk)
                digest.update(chunk)
                file.write(chunk)
    except OSError as error:
        raise Unavailable(
            "scratch_full", "The server has no room for this file at the moment; send it again later."
        ) from error
    return Received(folder, digest.hexdigest(), size)


async def _feed(request: Request, folder: Path, sandbox: Sandbox, most: int) -> Received:
    reading = await run_in_threadpool(sandbox.begin, "series", folder)
    size, held, pending, takes_more = 0, 0, list[bytes](), True
    try:
        async for chunk in _chunks(request, most):
            size, held = size + len(chunk), held + len(chunk)
            pending.append(chunk)
            if held >= PIECE_BYTES:
                # Where it takes no more, it says why in the end, and the rest is dropped.
                takes_more = takes_more and await run_in_threadpool(reading.send, *pending)
                held, pending = 0, []
        if takes_more:
            await run_in_threadpool(reading.send, *pending)
    except BaseException:
        reading.give_up()
        raise
    return Received(folder, "", size, reading)


async def _chunks(request: Request, most: int) -> AsyncIterator[bytes]:
    """Yield the body.

    Raises:
        InvalidInput: `file_too_large`; `upload_stalled` where it stops coming, or breaks off.
    """
    chunks, size, began = request.stream().__aiter__(), 0, time.monotonic()
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                chunk = await anext(chunks, None)
            if size < (time.monotonic() - began - SILENCE_S) * LEAST_BYTES_PER_S:
                raise TimeoutError
        except (TimeoutError, ClientDisconnect) as error:
            raise InvalidInput(
                "upload_stalled",
                "The body stopped coming, or came too slowly. Send the file again, or use an upload in parts.",
            ) from error
        if chunk is None:
            return
        size += len(chunk)
        if size > most:
            raise InvalidInput("file_too_large", f"Files may have {most // 2**20} MiB at most.")
        yield chunk


def _require_project(parts: Parts, project: str) -> None:
    with transaction(parts.engine) as conn:
        projects_table.get(conn, project)


@router.post(
    "/projects/{project}/volumes",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("application/octet-stream", TAR)
            },
        }
    },
)
def upload_volume(
    project: str,
    parts: PartsDep,
    actor: ActorDep,
    response: Response,
    received: Annotated[Received, Depends(received_body)],
    case_reference: Annotated[str | None, Query(max_length=100)] = None,
) -> schemas.Volume:
    """Make the body (NIfTI, or a zip of a DICOM study) a volume: 201, or 200 when the project has it already.

    A tar of a DICOM series (`Content-Type: application/x-tar`) is read while it comes. Nothing is kept where that fails: send it
    again. For slow or shaky connections there are uploads in parts.
    """
    with transaction(parts.engine) as conn:
        row = upload.start(
            conn,
            project_id=projects_table.get(conn, project).id,
            actor=actor.name,
            purpose="volume",
            size_bytes=received.size_bytes,
            part_bytes=parts.settings.part_bytes,
            max_bytes=parts.settings.max_upload_bytes,
            pseudonym_key=parts.settings.pseudonym_key,
            patient_reference=None,
            case_reference=case_reference,
            volume_id=None,
            options={},
        )
    result: Any
    result, new = completion.complete_received(
        parts, row, received.folder, received.digest, received.reading, actor=actor.name
    )
    response.status_code = 201 if new else 200
    return schemas.Volume.model_validate(result)
