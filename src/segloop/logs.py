"""JSON logs on standard error, with the ids that are bound to the current piece of work."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Tickets, sign-in keys and what people search for travel in addresses, which access logs quote.
_SECRETS = re.compile(r"([?&](?:ticket|key|search)=)[^&\s\"']+")
_bound: ContextVar[dict[str, str] | None] = ContextVar("segloop_log_fields", default=None)


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
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


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
def bind(**values: str) -> Iterator[None]:
    """Add fields such as `job_id` to every line logged inside the block."""
    token = _bound.set({**(_bound.get() or {}), **values})
    try:
        yield
    finally:
        _bound.reset(token)
