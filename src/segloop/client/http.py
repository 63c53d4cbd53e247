"""Calls that are tried again where that can help, and errors with the API's stable codes."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

TRIES = 6
LONGEST_PAUSE_S = 30.0
LATER = (429, 502, 503, 504)


class ApiError(Exception):
    """What the API refused, or that it could not be reached (`api_unavailable`, status 0).

    `code` is stable; `message` tells a person what to do next.
    """

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class Calls:
    """Sends requests, waiting as the API says (`Retry-After`) or ever longer; every request must bear a repeat."""

    def __init__(self, http: httpx.Client, *, tries: int = TRIES) -> None:
        self._http = http
        self._tries = tries

    def send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Return a success or 304.

        Raises:
            ApiError: the API refused it, or stayed away.
        """
        with self.stream(method, path, **arguments) as answer:
            answer.read()
            return answer

    @contextmanager
    def stream(self, method: str, path: str, **arguments: Any) -> Iterator[httpx.Response]:
        """Open a success or 304 whose body is still to be read; raises as `send`."""
        answer = self._open(method, path, arguments)
        try:
            yield answer
        finally:
            answer.close()

    def _open(self, method: str, path: str, arguments: dict[str, Any]) -> httpx.Response:
        for left in reversed(range(self._tries)):
            request = self._http.build_request(method, path, **arguments)
            try:
                answer = self._http.send(request, stream=True)
            except httpx.TransportError as error:
                if not left:
                    raise ApiError("api_unavailable", "The API can't be reached; try again later.") from error
                answer = None
            if answer is not None:
                if answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED:
                    return answer
                if answer.status_code not in LATER or not left:
                    raise _refusal(answer)
                answer.close()
            time.sleep(_pause_s(answer, self._tries - 1 - left))
        raise AssertionError("the last try returns or raises")


def _pause_s(answer: httpx.Response | None, n_before: int) -> float:
    said = "" if answer is None else answer.headers.get("Retry-After", "")
    pause_s = float(said) if said.isdecimal() else 0.5 * 2.0**n_before
    # Jitter, so that many clients don't come back at the same moment.
    return min(pause_s, LONGEST_PAUSE_S) * random.uniform(1.0, 1.25)  # noqa: S311


def _refusal(answer: httpx.Response) -> ApiError:
    answer.read()
    answer.close()
    try:
        body = answer.json()
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    code = str(body.get("code", f"http_{answer.status_code}"))
    return ApiError(code, str(body.get("detail", "The API gave no reason.")), answer.status_code)
