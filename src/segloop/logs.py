"""JSON logs on standard error, with the ids that are bound to the current piece of work."""

import json
import logging
import re
import sys
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from segloop.errors import SegloopError

# Tickets, sign-in keys, a provider's codes and what people search for travel in addresses, which access logs quote.
_SECRETS = re.compile(r"([?&](?:ticket|key|search|code)=)[^&\s\"']+")
_REQUEST_ID = re.compile(r"[0-9a-f-]{16,64}")
_bound: ContextVar[dict[str, str] | None] = ContextVar("segloop_log_fields", default=None)


def is_request_id(text: str) -> bool:
    """Say whether a text can be a request's id: hex digits and dashes only, so that no name can be one."""
    return _REQUEST_ID.fullmatch(text) is not None


def new_request_id() -> str:
    """Return an id for a request that came without one."""
    return uuid.uuid4().hex


def request_id() -> str | None:
    """Return the id of the request that the current work is done for, if there is one."""
    return (_bound.get() or {}).get("request_id")


class JsonFormatter(logging.Formatter):
    """Writes one JSON object a line; never formats request bodies, file names or patient data."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, object] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": _SECRETS.sub(r"\1...", record.getMessage()),
            **(_bound.get() or {}),
        }
        if record.exc_info:
            line["traceback"] = _places(record.exc_info[1])
        return json.dumps(line, default=str)


def _places(error: BaseException | None) -> str:
    """Return types and places of an error and of those that led to it, newest first.

    Their texts are left out, but for our own: a database quotes the statement's values, a parser what it could not read.
    """
    lines: list[str] = []
    while error is not None:
        lines += traceback.format_tb(error.__traceback__)
        text = f": {error}" if isinstance(error, SegloopError) else ""
        lines.append(f"{type(error).__module__}.{type(error).__qualname__}{text}\n")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "".join(lines)


def configure(level: str = "INFO") -> None:
    """Send the root logger to standard error as JSON; a repeat changes nothing more."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in (
        "uvicorn",
        "uvicorn.access",
        "uvicorn.error",
    ):  # they bring handlers that write addresses in full
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


@contextmanager
def bind(**values: str | None) -> Iterator[None]:
    """Add fields such as `job_id` to every line logged inside the block; those that are None are left out."""
    given = {name: value for name, value in values.items() if value is not None}
    token = _bound.set({**(_bound.get() or {}), **given})
    try:
        yield
    finally:
        _bound.reset(token)
