"""The one place where errors become HTTP: RFC 9457 problem documents with stable codes."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from segloop import errors, logs
from segloop.schemas import Problem
from segloop.web.bodies import BodyRefused
from segloop.web.headers import ALWAYS
from services.api import request_id
from services.api.front import NOTHING

log = logging.getLogger(__name__)

STATUS: list[tuple[type[errors.SegloopError], int, str]] = [
    (errors.TooLarge, 413, "Too large"),
    (errors.InvalidInput, 422, "Invalid input"),
    (errors.NotFound, 404, "Not found"),
    (errors.Conflict, 409, "Conflict"),
    (errors.Unauthorized, 401, "Not signed in"),
    (errors.Forbidden, 403, "Not allowed"),
    (errors.TooMany, 429, "Too many requests"),
    (errors.Unavailable, 503, "Temporarily unavailable"),
]


def problem(
    request: Request,
    *,
    status: int,
    title: str,
    code: str,
    detail: str,
    **extra: object,
) -> JSONResponse:
    """Return a problem document; 429 and 503 tell when to come back and 401 how to sign in."""
    body = Problem(
        title=title,
        status=status,
        detail=detail,
        code=code,
        instance=request.url.path,
        request_id=request_id.of(request),
    )
    headers = {503: {"Retry-After": "5"}, 401: {"WWW-Authenticate": "Bearer"}}.get(status, {})
    if status == 429:
        headers = {"Retry-After": str(extra["retry_after_s"])}
    headers = headers | {request_id.HEADER: body.request_id}
    return JSONResponse(
        {**body.model_dump(), **extra},
        status_code=status,
        headers=headers,
        media_type="application/problem+json",
    )


def _known(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.SegloopError)
    status, title = next(((s, t) for kind, s, t in STATUS if isinstance(error, kind)), (500, "Error"))
    answer = problem(
        request,
        status=status,
        title=title,
        code=error.code,
        detail=error.message,
        **error.details,
    )
    # After the answer: it takes no longer for what there is than for what there isn't.
    answer.background = BackgroundTask(request.app.state.parts.refusals.note, request, error)
    return answer


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    fields = [{"field": ".".join(map(str, item["loc"])), "message": item["msg"]} for item in error.errors()]
    detail = "The request does not fit: " + "; ".join(f"{f['field']}: {f['message']}" for f in fields[:5])
    return problem(
        request,
        status=422,
        title="Invalid input",
        code="request_invalid",
        detail=detail,
        fields=fields,
    )


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    answer = problem(
        request,
        status=error.status_code,
        title="Error",
        code=error.code if isinstance(error, BodyRefused) else f"http_{error.status_code}",
        detail=str(error.detail),
    )
    answer.headers.update(error.headers or {})  # such as Allow, which a 405 owes
    return answer


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    with logs.bind(request_id=request_id.of(request)):
        log.error("unexpected error", exc_info=error)
    detail = "Something unexpected went wrong on the server. Try again; if it stays, tell operations the request_id."
    answer = problem(request, status=500, title="Internal error", code="internal", detail=detail)
    answer.headers.update(
        ALWAYS | {"Content-Security-Policy": NOTHING}
    )  # it is made outside of what adds these
    return answer


def install(app: FastAPI) -> None:
    """Make every error of the app a problem document."""
    app.add_exception_handler(errors.SegloopError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
